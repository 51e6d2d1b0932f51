// SPDX-License-Identifier: MIT
// The service's journal: an SQLite database of what it saw, decided and did, by cpupool. What
// follows from one input of the policy is one step, and one transaction: after a kill or a loss of
// power either all of a step is there or nothing of it.
//
// NAME is the database. Beside it are NAME-wal and NAME-shm while it is open, and NAME.lock, which
// the writing service holds. Files are of mode 0600, because who can read one can lock it. Readers
// (JournalReader) are not in the way.
//
// A step that acts is on the disk when record() returns. The last windows and verdicts that change
// nothing may be lost with the power.
#pragma once

#include "src/base/files.hpp"
#include "src/service/journal_reader.hpp"

namespace intellisched::service {

/// What follows from one input of the policy. Null: there is no such part.
struct Step {
    PoolName pool;
    UnixTime time = 0;
    const Window* window = nullptr;
    /// The result of an apply, if that was the input.
    const ApplyResult* answer = nullptr;
    /// May be left out if it is not worth an entry, but not if it asks for a layout or ends a
    /// trial.
    const PoolVerdict* verdict = nullptr;
    std::string bundle = {}; ///< id of the model that the verdict is from
    /// The window as a sample without scores; kept with a verdict that begins or ends a trial.
    const proto::Sample* sample = nullptr;
    /// The state after the step. Needed with an answer, and with a verdict that asks for a layout
    /// or ends a trial; otherwise as often as it should be stored.
    const State* state = nullptr;
    /// The state of a protected guest after the step; its boot is this one. Needed before its
    /// weight is asked for. One without a base is forgotten.
    const StoredProtection* protection = nullptr;
};

class Journal : public JournalReader {
  public:
    /// Opens the journal for writing, and creates it if there is none; the folder must exist.
    /// Switches of an earlier service that have no result become "unknown". `boot`: the id of this
    /// boot of the host (/proc/sys/kernel/random/boot_id).
    ///
    /// A file of 64 MiB and more is checked only if the service before was killed; systemd is asked
    /// for the time that takes.
    ///
    /// A journal that is damaged is renamed to NAME.damaged-SECONDS (`now`, of the Unix epoch; the
    /// next that is free), and a new one is begun; warning() says so. Errors: for root, a folder or
    /// file that others can change; a file that is no journal by its first bytes, which is left as
    /// it is; another process writes it; it is of a newer version; what the file system says.
    [[nodiscard]] static Result<Journal> open(const std::filesystem::path& path, std::string boot,
                                              UnixTime now);

    /// One line for the log about a damaged file; "": there was none.
    [[nodiscard]] const std::string& warning() const { return warning_; }

    /// Writes the step, all of it or nothing. After an error (a full disk) the journal can still be
    /// used; the step that failed is not tried again.
    [[nodiscard]] Result<void> record(const Step& step);

    /// Deletes windows that began, and verdicts that asked for nothing, before these times.
    /// Switches and trials are kept. At most `batch` rows of each, so that nobody waits for long;
    /// true: there is more.
    [[nodiscard]] Result<bool> prune(UnixTime windows_before, UnixTime verdicts_before,
                                     std::size_t batch = 1000);

    /// While the rows take more than `most_bytes` of the file, deletes the oldest: first windows
    /// and verdicts that asked for nothing, then switches and trials, but no open trial. At most
    /// `batch` rows of each; true: there is more. The file does not shrink; its free space is used
    /// again.
    [[nodiscard]] Result<bool> shrink(std::uint64_t most_bytes, std::size_t batch = 1000);

  private:
    Journal(Database database, std::string path, FileDescriptor lock, std::string boot)
        : JournalReader(std::move(database), std::move(path)), lock_(std::move(lock)),
          boot_(std::move(boot)) {}
    [[nodiscard]] Result<void> write(const Step& step);
    [[nodiscard]] Result<std::int64_t> pool(const std::string& name);
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
    [[nodiscard]] Result<void> store(const StoredProtection& protection);

    FileDescriptor lock_;
    std::string boot_, warning_;
};

} // namespace intellisched::service
