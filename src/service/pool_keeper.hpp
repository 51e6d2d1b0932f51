// SPDX-License-Identifier: MIT
// One cpupool's policy with its journal. Every input is one step: what follows from it is on the
// disk before it is done, and after a kill the policy goes on from there. It knows no event loop
// and no host: what is to be done is asked for by a callback, and the time comes with the input.
//
// The journal may fail (a full disk). Then the service goes on: windows and verdicts are lost, but
// no switch is started whose state could not be stored. The policy is put back to the state before
// it, and decides anew with the next window. A revert is asked for all the same, because it leads
// to where the stored state will look for the pool, or to what its owner had.
#pragma once

#include "collector/window/schema.hpp"
#include "src/policy/advice.hpp"
#include "src/service/config.hpp"
#include "src/service/journal.hpp"
#include "src/service/metrics.hpp"

#include <functional>

namespace intellisched::service {

class PoolKeeper {
  public:
    /// Called when all that belongs to the request has been stored. The result must come later, by
    /// applied(), never from within the call.
    using Ask = std::function<void(const Request&)>;

    /// Restores the state that the journal has of the pool of that name. A state that cannot be
    /// parsed is logged, and a new one begun. `boot`: the id of this boot of the host. The journal
    /// must outlive this object.
    PoolKeeper(PoolName pool, const PoolConfig& config, Journal& journal, const std::string& boot,
               Moment now, Ask ask);

    /// Another configuration of this pool.
    void configure(const PoolConfig& config, Moment now);
    /// Takes a reading of the pool. `taken`: when it began, on the policy's clock. One that began
    /// before the last result came is ignored: it is of the time before.
    void saw(const PoolSeen& pool, unsigned id, Nanoseconds taken, Moment now);
    /// Takes a window of that length that ends now, with its features; `bundle`: the id of the
    /// model.
    void saw(const WindowSeen& seen, const FeatureVector& features, Nanoseconds length,
             const std::string& bundle, Moment now);
    /// Takes the result of a Request; `finished`: when, on the policy's clock.
    void applied(const ApplyResult& result, Nanoseconds finished, Moment now);
    /// There is no pool of that name any more.
    void gone(Moment now);
    /// A pause or resume that changes nothing is neither stored nor logged.
    void pause(Moment now);
    void resume(Moment now);
    /// To be called every few seconds; does nothing when there was another input meanwhile.
    void tick(Moment now);

    /// For a service that is being stopped: the request that brings back what the pool was booted
    /// with. Nothing if that is in force, somebody else changed the pool, its mode is not auto, or
    /// the state could not be stored. The state is then as after a boot: whatever the pool has at
    /// the next start is taken as it is. Nothing but returned() may follow.
    [[nodiscard]] std::optional<Request> return_to_boot(Moment now);
    /// Takes the result of that request, the last of all.
    void returned(const ApplyResult& result, Moment now);

    /// Whether the policy waits for a reading of the pool.
    [[nodiscard]] bool wants_reading() const;
    [[nodiscard]] const PoolName& pool() const { return pool_; }
    [[nodiscard]] const State& state() const { return state_; }
    /// The verdict on the last window, or on what has happened since.
    [[nodiscard]] const PoolVerdict& verdict() const { return last_; }
    [[nodiscard]] PoolMetrics metrics() const;
    /// Whether the knob is a person's to turn.
    [[nodiscard]] bool by_hand(Knob knob) const {
        return intellisched::by_hand(state_, config_.settings, knob);
    }
    /// What gives the pool that option, to be typed.
    [[nodiscard]] std::string command_for(Knob knob, Option option) const;
    [[nodiscard]] std::uint64_t journal_errors() const { return journal_errors_; }

  private:
    const PoolVerdict& feed(const Input& input, Moment now, const Window* window = nullptr,
                            const FeatureVector* features = nullptr);
    /// Takes what a verdict on a window recommends. What changed, and is a person's to do, is
    /// logged.
    void advise(const PoolVerdict& verdict, Moment now);
    /// Whether a verdict on a window differs from the one that was kept last.
    [[nodiscard]] bool is_news(const PoolVerdict& verdict, Moment now);
    void note(const Result<void>& recorded, Moment now);
    void count(const Input& input, const PoolVerdict& verdict);

    PoolName pool_;
    PoolConfig config_;
    Journal& journal_;
    Ask ask_;
    State state_;
    PoolVerdict last_;
    struct Recommended {
        Advice advice;
        UnixTime since = 0;
    };
    std::array<Recommended, all_knobs.size()> recommended_;
    std::string bundle_;
    Nanoseconds last_input_ = 0;
    Nanoseconds not_before_ = 0; ///< readings from before are of no use
    Nanoseconds stored_at_ = 0;
    bool unstored_ = true; ///< the stored state is not the one to go on from after a kill
    std::optional<Request> returning_; ///< return_to_boot()'s, until its result
    std::string kept_;                 ///< what the verdict that was kept last says
    Nanoseconds kept_at_ = 0;

    PoolMetrics metrics_;
    bool asked_revert_ = false; ///< what was asked for last
    std::uint64_t journal_errors_ = 0;
    bool journal_failed_ = false;
    Nanoseconds complained_at_ = 0;
};

} // namespace intellisched::service
