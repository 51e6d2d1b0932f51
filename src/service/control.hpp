// SPDX-License-Identifier: MIT
// The service's control socket: a Unix stream socket that root and the group of its file may use.
// Each request comes with who asks, for the service to say what they may. A message is a
// ControlRequest or a ControlReply, framed() (src/proto/framing.hpp).
//
// No client can hold up the loop. One turn of it reads or writes once and answers one request at
// most, after everything else that is ready. A client that has not completed its request, or taken
// its reply, within five seconds is disconnected, and so is a seventeenth client. Two of the
// sixteen places are root's.
#pragma once

#include "src/base/files.hpp"
#include "src/proto/control.pb.h"
#include "src/proto/framing.hpp"
#include "src/service/loop.hpp"

#include <filesystem>
#include <map>

namespace intellisched::service {

inline constexpr std::size_t max_control_request = std::size_t{64} << 10;
inline constexpr std::size_t max_control_clients = 16;
inline constexpr std::size_t kept_for_root = 2; ///< of these

struct ControlLimits {
    std::chrono::milliseconds request{5000};
};

/// Who asks, as the kernel says: root or the service's own user, or one of the socket's group.
enum class Asker { group, root };

/// What a request is answered with.
using Answer = std::function<proto::ControlReply(const proto::ControlRequest&, Asker)>;

/// Assembles one request from the bytes that a client sends, cut anywhere. Knows no socket.
class RequestFrame {
  public:
    /// Bytes that the length, or then the request, still needs; 0: reply() may be asked.
    [[nodiscard]] std::size_t wanted() const;
    /// At most as many bytes as are wanted().
    void add(std::string_view bytes) { bytes_.append(bytes); }
    /// The request is longer than max_control_request and refused. What follows it cannot be
    /// parsed.
    [[nodiscard]] bool too_long() const;
    /// What `answer` says to the request, or why it is refused.
    [[nodiscard]] proto::ControlReply reply(const Answer& answer, Asker asker) const;

  private:
    std::string bytes_;
};

class Control {
  public:
    /// Creates the socket, of mode 0660; a stale one is replaced. Errors: a service listens there,
    /// something else has that name, others can change its folder, what the file system says.
    [[nodiscard]] static Result<std::unique_ptr<Control>>
    open(Loop& loop, const std::filesystem::path& path, Answer answer, ControlLimits limits = {});
    ~Control(); ///< removes the socket's file
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    [[nodiscard]] std::size_t clients() const { return clients_.size(); }

  private:
    struct Client {
        FileDescriptor socket;
        Asker asker = Asker::group;
        RequestFrame in;
        std::string out;
        std::size_t written = 0;
        bool last = false; ///< it is disconnected after this reply
        Loop::Source ready, deadline;
    };
    Control(Loop& loop, std::string path, Answer answer, ControlLimits limits)
        : loop_(loop), path_(std::move(path)), answer_(std::move(answer)), limits_(limits) {}
    void accept();
    // `number` is the client's descriptor. False: disconnect it.
    [[nodiscard]] bool handle(Client& client, int number);
    [[nodiscard]] bool read(Client& client, int number);
    [[nodiscard]] bool write(Client& client, int number);
    /// Waits for these events, until a new deadline.
    [[nodiscard]] bool wait(Client& client, int number, std::uint32_t events);

    Loop& loop_;
    std::string path_;
    Answer answer_;
    ControlLimits limits_;
    FileDescriptor socket_;
    Loop::Source ready_;
    std::map<int, Client> clients_; ///< by their descriptors
};

/// Asks the service that listens at `path`, waiting at most `patience` for each piece of the
/// answer. Errors: no service there, no right to ask it, no answer, an interruption
/// (interrupt.hpp); the error in the reply.
[[nodiscard]] Result<proto::ControlReply>
ask_service(const std::filesystem::path& path, const proto::ControlRequest& request,
            std::chrono::seconds patience = std::chrono::seconds(10));

} // namespace intellisched::service
