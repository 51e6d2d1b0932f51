// SPDX-License-Identifier: GPL-2.0-only
// Transactions: away, work, critical section. A lock that is released belongs at once to the first
// that waits for it, whose vCPU may have to wake up first: all others wait for that, too. Who finds
// a lock taken looks at it for a moment before it sleeps, as adaptive mutexes do.
#include "bench/simulator/loads/kind.hpp"

#include <deque>

namespace sim {

namespace {

class Database final : public Load {
  public:
    Database(const proto::DatabaseLoad& load, const LoadKey& key)
        : load_(load), locks_(load.locks()) {
        for (unsigned i = 0; i < load.threads(); ++i) {
            sessions_.emplace_back();
            sessions_.back().random = key.stream(i);
        }
    }

    void start(GuestOs& os) override {
        for (unsigned i = 0; i < sessions_.size(); ++i)
            sessions_[i].thread = &os.add_thread(*this, i);
    }

    Activity resume(Thread& thread, GuestOs& os) override {
        Session& session = sessions_[thread.number];
        switch (session.stage) {
        case Stage::critical:
            release(session, os);
            os.results.done(os.now() - session.began);
            session.began = 0;
            [[fallthrough]];
        case Stage::begin:
            if (load_.think().mean_us() > 0) {
                session.stage = Stage::away;
                os.call_outside(*this, os.now() + session.random.draw(load_.think()),
                                thread.number);
                return Activity::wait();
            }
            session.began = os.now();
            [[fallthrough]];
        case Stage::away:
            session.stage = Stage::work;
            return Activity::compute(session.random.draw(load_.work()));
        case Stage::work: {
            session.lock = static_cast<unsigned>(session.random.below(locks_.size()));
            Lock& lock = locks_[session.lock];
            if (lock.held) {
                lock.waiting.push_back(thread.number);
                session.stage = Stage::look;
                session.granted = false;
                if (os.spin_time() > 0) return Activity::spin(os.spin_time());
            } else {
                lock.held = session.granted = true;
            }
            [[fallthrough]];
        }
        case Stage::look:
            if (!session.granted) {
                session.stage = Stage::wait;
                return Activity::wait();
            }
            [[fallthrough]];
        case Stage::wait:
            break; // the lock is this one's now
        }
        session.stage = Stage::critical;
        return Activity::compute(session.random.draw(load_.critical()));
    }

    void outside(std::uint32_t number, GuestOs& os) override {
        sessions_[number].began = os.now();
        os.wake(*sessions_[number].thread);
    }

    void unfinished(Nanoseconds now, Durations& ages) const override {
        for (const Session& session : sessions_)
            if (session.began > 0) ages.add(now - session.began);
    }

  private:
    enum class Stage : std::uint8_t { begin, away, work, look, wait, critical };
    struct Session {
        Thread* thread = nullptr;
        Random random{0};
        Stage stage = Stage::begin;
        unsigned lock = 0;
        bool granted = false;  ///< the lock
        Nanoseconds began = 0; ///< 0: it is away
    };
    struct Lock {
        bool held = false;
        std::deque<unsigned> waiting; ///< sessions
    };

    void release(const Session& session, GuestOs& os) {
        Lock& lock = locks_[session.lock];
        if (lock.waiting.empty()) {
            lock.held = false;
            return;
        }
        Session& next = sessions_[lock.waiting.front()];
        lock.waiting.pop_front();
        next.granted = true;
        os.wake(*next.thread); // unless it is still looking
    }

    proto::DatabaseLoad load_;
    std::vector<Session> sessions_;
    std::vector<Lock> locks_;
};

} // namespace

const Kind kinds::database{
    .id = proto::Load::kDatabase,
    .families = {"database"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            const auto& database = written.load.database();
            check.range(written.field + ".threads", database.threads(), 0, most_load_threads);
            check.times(written.field + ".work", database.work());
            check.times(written.field + ".critical", database.critical());
            check.times(written.field + ".think", database.think(), true);
            check.range(written.field + ".locks", database.locks(), 0, most_load_threads);
        },
    .complete =
        [](proto::Load& load, unsigned vcpus) {
            SET_DEFAULT(*load.mutable_database(), threads, 2 * vcpus);
            SET_DEFAULT(*load.mutable_database(), locks, 1);
        },
    .pace =
        [](const proto::Load& load, double vcpus) {
            const auto& database = load.database();
            return cycles(database.threads(),
                          database.work().mean_us() + database.critical().mean_us(),
                          database.think().mean_us(), vcpus, 5,
                          1e6 * database.locks() / database.critical().mean_us());
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey& key)
        -> std::unique_ptr<Load> { return std::make_unique<Database>(load.database(), key); },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double, Random& random) {
            auto& database = *load.mutable_database();
            database.set_threads(number(random, vcpus, 3 * vcpus));
            set_times(*database.mutable_work(), character.burst_us, character.shape);
            set_times(*database.mutable_critical(),
                      character.burst_us * uniform(random, 0.02, 0.4));
            if (chance(random, 0.6))
                set_times(*database.mutable_think(), character.burst_us * character.wait);
            database.set_locks(number(random, 1, 8));
        },
};

} // namespace sim
