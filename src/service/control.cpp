// SPDX-License-Identifier: MIT
#include "src/service/control.hpp"

#include "src/base/folder.hpp"
#include "src/base/interrupt.hpp"
#include "src/base/log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace intellisched::service {
namespace {

constexpr mode_t socket_mode = 0660;

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail("{}: is too long for a socket, {} bytes are possible; choose another one", path,
                    sizeof address.sun_path - 1);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

FileDescriptor stream_socket(int flags) {
    return FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

/// Who the program at the other end asks as: as root or this user, or by its groups; nothing: it
/// may not ask.
std::optional<Asker> asker_at(int socket, gid_t group) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
    if (peer.uid == 0 || peer.uid == ::geteuid()) return Asker::root;
    if (peer.gid == group) return Asker::group;
    std::vector<gid_t> groups(65536); // NGROUPS_MAX of Linux
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0)
        return std::nullopt;
    groups.resize(size / sizeof(gid_t));
    const bool member = std::find(groups.begin(), groups.end(), group) != groups.end();
    return member ? std::optional(Asker::group) : std::nullopt;
}

proto::ControlReply refusal(std::string text) {
    proto::ControlReply reply;
    reply.set_error(std::move(text));
    return reply;
}

} // namespace

std::size_t RequestFrame::wanted() const {
    if (bytes_.size() < frame_header) return frame_header - bytes_.size();
    return too_long() ? 0 : frame_header + frame_length(bytes_) - bytes_.size();
}

bool RequestFrame::too_long() const {
    return bytes_.size() >= frame_header && frame_length(bytes_) > max_control_request;
}

proto::ControlReply RequestFrame::reply(const Answer& answer, Asker asker) const {
    const std::size_t length = frame_length(bytes_);
    if (too_long())
        return refusal(
            fmt::format("a request of {} bytes; {} are possible", length, max_control_request));
    proto::ControlRequest request;
    if (!request.ParseFromArray(bytes_.data() + frame_header, static_cast<int>(length)))
        return refusal("the request is no message of this version");
    return answer(request, asker);
}

Result<std::unique_ptr<Control>> Control::open(Loop& loop, const std::filesystem::path& path,
                                               Answer answer, ControlLimits limits) {
    const std::string name = path.string();
    const auto address = TRY(address_of(name));
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);

    // Its mode is set by name, and who may ask is looked up by name.
    TRY(TRY(Folder::open(path.parent_path())).check_trusted());

    struct stat file {};
    if (::lstat(name.c_str(), &file) == 0) {
        if (!S_ISSOCK(file.st_mode))
            return fail("{}: is there and no socket; name another one, or remove it", name);
        const FileDescriptor probe = stream_socket(SOCK_NONBLOCK);
        if (::connect(probe.get(), generic, sizeof address) == 0 || errno == EAGAIN)
            return fail("{}: another service listens there; end that one first", name);
        if (::unlink(name.c_str()) != 0)
            return fail("{}: cannot be replaced: {}", name, std::strerror(errno));
    }
    std::unique_ptr<Control> control(new Control(loop, name, std::move(answer), limits));
    control->socket_ = stream_socket(SOCK_NONBLOCK);
    const int fd = control->socket_.get();
    // Nobody can connect before listen(), so that the mode is there in time.
    if (fd < 0 || ::bind(fd, generic, sizeof address) != 0 ||
        ::chmod(name.c_str(), socket_mode) != 0 || ::listen(fd, max_control_clients) != 0)
        return fail(
            "{}: cannot be made a socket: {}; its folder has to exist, and this user has to "
            "have the right to write there",
            name, std::strerror(errno));
    control->ready_ = TRY(loop.on_ready(
        fd, EPOLLIN, [c = control.get()](std::uint32_t) { c->accept(); }, true));
    return control;
}

Control::~Control() {
    if (socket_.get() >= 0) ::unlink(path_.c_str());
}

void Control::accept() {
    FileDescriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() < 0) return; // gone again, or no descriptor is free: the next turn will tell
    const auto refuse = [&](const char* why) {
        const std::string reply = framed(refusal(why));
        (void)!::send(socket.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
    };
    struct stat file {};
    const auto asker =
        ::lstat(path_.c_str(), &file) == 0 ? asker_at(socket.get(), file.st_gid) : std::nullopt;
    if (!asker) return refuse("only root and the group of the service's socket may ask");
    if (clients_.size() >= max_control_clients - (*asker == Asker::root ? 0 : kept_for_root))
        return refuse("too many clients ask at once; try again in some seconds");
    const int number = socket.get();
    Client& client = clients_[number];
    client.socket = std::move(socket);
    client.asker = *asker;
    if (!wait(client, number, EPOLLIN)) clients_.erase(number);
}

bool Control::wait(Client& client, int number, std::uint32_t events) {
    client.ready = {}; // a descriptor can be waited for once
    auto ready = loop_.on_ready(
        number, events,
        [this, number](std::uint32_t) {
            const auto found = clients_.find(number);
            if (found != clients_.end() && !handle(found->second, number)) clients_.erase(found);
        },
        true);
    if (!ready) return false;
    client.ready = std::move(*ready);
    auto deadline = loop_.after(limits_.request, [this, number] { clients_.erase(number); });
    if (!deadline) return false;
    client.deadline = std::move(*deadline);
    return true;
}

bool Control::handle(Client& client, int number) {
    return client.out.empty() ? read(client, number) : write(client, number);
}

bool Control::read(Client& client, int number) {
    std::array<char, 4096> bytes; // NOLINT: filled by recv
    const ssize_t size =
        ::recv(client.socket.get(), bytes.data(), std::min(bytes.size(), client.in.wanted()), 0);
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    client.in.add({bytes.data(), static_cast<std::size_t>(size)});
    if (client.in.wanted() > 0) return true;
    client.last = client.in.too_long();
    client.out = framed(client.in.reply(answer_, client.asker));
    client.in = {};
    client.written = 0;
    return wait(client, number, EPOLLOUT);
}

bool Control::write(Client& client, int number) {
    const ssize_t size = ::send(client.socket.get(), client.out.data() + client.written,
                                client.out.size() - client.written, MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    client.written += static_cast<std::size_t>(size);
    if (client.written < client.out.size()) return true;
    client.out.clear();
    return !client.last && wait(client, number, EPOLLIN);
}

Result<proto::ControlReply> ask_service(const std::filesystem::path& path,
                                        const proto::ControlRequest& request,
                                        std::chrono::seconds patience) {
    const std::string name = path.string();
    const auto address = TRY(address_of(name));
    const FileDescriptor socket = stream_socket(0);
    const timeval longest{patience.count(), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return fail("{}: no service listens there; start it (systemctl start intellisched)",
                        name);
        if (errno == EACCES)
            return fail("{}: this user may not ask the service; be root or in the socket's group",
                        name);
        return fail("{}: cannot connect: {}", name, std::strerror(errno));
    }
    const auto broken = [&](int error) {
        return fail("{}: the service does not answer ({}); see its log (journalctl -u "
                    "intellisched)",
                    name, error == 0 ? "it has closed the connection" : std::strerror(error));
    };
    const std::string out = framed(request);
    // A refusal comes without the request being read; it is there all the same.
    (void)!::send(socket.get(), out.data(), out.size(), MSG_NOSIGNAL);
    std::string in;
    for (std::size_t whole = frame_header; in.size() < whole;) {
        std::array<char, 4096> bytes; // NOLINT: filled by recv
        const ssize_t size =
            ::recv(socket.get(), bytes.data(), std::min(bytes.size(), whole - in.size()), 0);
        if (size < 0 && errno == EINTR && !interrupted) continue;
        if (size <= 0) return broken(size < 0 ? errno : 0);
        in.append(bytes.data(), static_cast<std::size_t>(size));
        if (in.size() != frame_header) continue;
        whole += frame_length(in);
        if (whole > frame_header + (std::size_t{16} << 20)) return broken(EMSGSIZE);
    }
    proto::ControlReply reply;
    if (!reply.ParseFromArray(in.data() + frame_header, static_cast<int>(in.size() - frame_header)))
        return fail("{}: the service's answer is no message of this version; restart it", name);
    if (!reply.error().empty()) return fail("the service: {}", printable(reply.error(), 512));
    return reply;
}

} // namespace intellisched::service
