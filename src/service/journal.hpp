// SPDX-License-Identifier: MIT
// The service's journal: an SQLite database of what it saw, decided and did, by cpupool. What comes
// of one input of the policy is one step, and one transaction: after a kill or a loss of power all
// of a step is there, or nothing.
//
// NAME is the database, beside it NAME-wal and NAME-shm while it is open, and NAME.lock, which the
// service that writes holds. Files are of mode 0600: who can read one can lock it. Readers
// (JournalReader) are not in the way.
//
// What acts is on the disk when record() returns; windows and verdicts that change nothing may be
// lost with the power, the last of them.
#pragma once

#include "src/base/files.hpp"
#include "src/service/journal_reader.hpp"

namespace intellisched::service {

/// What came of one input of the policy; null: that part is not there.
struct Step {
    PoolName pool;
    UnixTime time = 0;
    const Window* window = nullptr;
    /// The result that was put in.
    const ApplyResult* answer = nullptr;
    /// Leave out what is not worth an entry, but none that asks for a layout or ends a trial.
    const PoolVerdict* verdict = nullptr;
    std::string bundle = {}; ///< id of the model that the verdict is from
    /// The window as a sample without scores; kept with a verdict that begins or ends a trial.
    const proto::Sample* sample = nullptr;
    /// After the step. Needed with an answer, and with a verdict that asks for a layout or ends a
    /// trial; otherwise as often as it shall be kept.
    const State* state = nullptr;
};

class Journal : public JournalReader {
  public:
    /// Opens it for writing, and makes it when there is none; the folder must exist. Switches that
    /// a service before this one asked for and did not hear of become "unknown". `boot`: the id of
    /// this boot of the host (/proc/sys/kernel/random/boot_id).
    ///
    /// A file of 64 MiB and more is checked only when the service before was killed, with the time
    /// for it asked of systemd.
    ///
    /// A file that is damaged, or no database, is renamed to NAME.damaged-SECONDS (`now`, of the
    /// Unix epoch; the next that is free), and a new one is begun; warning() says so.
    /// Errors: for root, a folder or file that others can change; another process writes it; it is
    /// of a newer version or of another program; what the file system says.
    [[nodiscard]] static Result<Journal> open(const std::filesystem::path& path, std::string boot,
                                              UnixTime now);

    /// One line for the log about a damaged file; "": there was none.
    [[nodiscard]] const std::string& warning() const { return warning_; }

    /// Writes the step, all of it or nothing. After an error (a full disk) it can be used again;
    /// what was not recorded is not tried again by itself.
    [[nodiscard]] Result<void> record(const Step& step);

    /// Forgets windows that began, and verdicts that asked for nothing, before these times; what
    /// was done is kept. At most `batch` of each, so that nobody waits for long; true: there is
    /// more.
    [[nodiscard]] Result<bool> prune(UnixTime windows_before, UnixTime verdicts_before,
                                     std::size_t batch = 1000);

    /// While the rows take more than so many bytes of the file, forgets the oldest of them: windows
    /// and verdicts that asked for nothing first, then what was done, but for open trials. At most
    /// `batch` of each; true: there is more. The file does not shrink; its free space is used
    /// again.
    [[nodiscard]] Result<bool> shrink(std::uint64_t most_bytes, std::size_t batch = 1000);

  private:
    Journal(Database database, std::string path, FileDescriptor lock, std::string boot)
        : JournalReader(std::move(database), std::move(path)), lock_(std::move(lock)),
          boot_(std::move(boot)) {}
    [[nodiscard]] Result<void> write(const Step& step);
    [[nodiscard]] Result<std::int64_t> pool(const std::string& name);
    [[nodiscard]] Result<void> add(const Window& window, std::int64_t pool, unsigned pool_id);
    [[nodiscard]] Result<void> answer(const Step& step, std::int64_t pool);
    [[nodiscard]] Result<void> close_trial(const Step& step, std::int64_t pool);
    /// Of the pool's open trial.
    [[nodiscard]] Result<void> add_sample(const Step& step, std::int64_t pool);
    [[nodiscard]] Result<void> add_verdict(const Step& step, std::int64_t pool);
    [[nodiscard]] Result<void> add_switch(const Step& step, std::int64_t pool,
                                          std::int64_t verdict);
    /// Closes what is open although the policy knows of no such trial (any more).
    [[nodiscard]] Result<void> end_unrecorded(const Step& step, std::int64_t pool);
    [[nodiscard]] Result<void> store(const Step& step, std::int64_t pool);

    FileDescriptor lock_;
    std::string boot_, warning_;
};

} // namespace intellisched::service
