// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/serve.hpp"

#include "bench/simulator/costs.hpp"
#include "src/proto/framing.hpp"
#include "src/proto/simulator.pb.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <span>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace sim {

using intellisched::fail;

namespace {

constexpr Nanoseconds slice = 100'000'000;

class Server {
  public:
    Server(World& world, int socket, const std::function<bool()>& stop)
        : world_(world), socket_(socket), stop_(stop) {}

    Result<void> serve() {
        for (;;) {
            proto::SimRequest request;
            const auto read = receive(request);
            if (!read) {
                (void)refuse(read.error().message); // the client may be gone, then nobody reads it
                return tl::unexpected(read.error());
            }
            if (!*read) return {};
            proto::SimReply reply;
            auto done = answer(request, reply);
            if (!done) {
                (void)refuse(done.error().message);
                return done;
            }
            TRY(send(reply));
        }
    }

  private:
    /// False at the end of the connection between two requests, or when it is time to stop.
    Result<bool> receive(proto::SimRequest& request) {
        if (stop_()) return false;
        std::array<char, intellisched::frame_header> header{};
        const auto begun = read_all(std::as_writable_bytes(std::span(header)));
        if (!begun || !*begun) return begun;
        const std::size_t length = intellisched::frame_length({header.data(), header.size()});
        if (length > max_request_bytes)
            return fail("a request of {} bytes; one has at most {}, correct the client", length,
                        max_request_bytes);
        std::string message(length, '\0');
        const auto whole = read_all(std::as_writable_bytes(std::span(message)));
        if (!whole) return whole;
        if (!*whole && length > 0) return fail("the client went away inside a request");
        if (!request.ParseFromString(message))
            return fail("a request that is no SimRequest; correct the client");
        return true;
    }

    /// False when there is nothing more to come. Part of it is an error.
    Result<bool> read_all(std::span<std::byte> bytes) {
        std::size_t got = 0;
        while (got < bytes.size()) {
            const ssize_t n = ::read(socket_, bytes.data() + got, bytes.size() - got);
            if (n > 0) {
                got += static_cast<std::size_t>(n);
            } else if (n == 0) {
                if (got > 0) return fail("the client went away inside a request");
                return false;
            } else if (errno != EINTR) {
                return fail("cannot read from the client: {}", std::strerror(errno));
            } else if (stop_()) {
                return false;
            }
        }
        return true;
    }

    Result<void> send(const proto::SimReply& reply) {
        if (reply.ByteSizeLong() > std::numeric_limits<int>::max())
            return fail("a reply is too large for protobuf");
        const std::string bytes = intellisched::framed(reply);
        return intellisched::write_all(socket_, std::as_bytes(std::span(bytes)), "the client");
    }

    Result<void> refuse(const std::string& message) {
        proto::SimReply reply;
        reply.set_error(message);
        reply.set_now_ns(world_.now());
        return send(reply);
    }

    /// Puts into the reply what the machine answered: by `fill` what is in force, or the error.
    template<class Got, class Fill>
    void tell(const Got& got, bool changes, proto::SimReply& reply, const Fill& fill) {
        if (!got) return reply.set_error(got.error().message);
        fill(*got);
        changed_ = changed_ || changes;
    }

    /// Errors of the world only: what the client can put right is in the reply.
    Result<void> answer(const proto::SimRequest& request, proto::SimReply& reply) {
        Machine& machine = world_.machine();
        switch (request.what_case()) {
        case proto::SimRequest::kHello:
            *reply.mutable_info() = machine.info();
            if (const auto costs = costs_from(world_.scenario().costs()))
                *reply.mutable_info()->mutable_costs() = message_of(*costs);
            changed_ = true;
            break;
        case proto::SimRequest::kAdvance:
            if (request.advance().ns() > longest_advance) {
                reply.set_error(fmt::format("an advance by {} ns; ask for at most {} at a time",
                                            request.advance().ns(), longest_advance));
                break;
            }
            TRY(advance(request.advance().ns(), reply));
            break;
        case proto::SimRequest::kSetLayout: {
            const auto& wanted = request.set_layout();
            tell(machine.set_layout(wanted.pool_id(), wanted.arrangement()), true, reply,
                 [&](const auto& now) { *reply.mutable_in_force() = now; });
            break;
        }
        case proto::SimRequest::kGetLayout:
            tell(machine.layout(request.get_layout().pool_id()), false, reply,
                 [&](const auto& now) { *reply.mutable_in_force() = now; });
            break;
        case proto::SimRequest::kSetRateLimit: {
            const auto& wanted = request.set_rate_limit();
            tell(machine.set_rate_limit(wanted.pool_id(), wanted.us()), true, reply,
                 [&](std::uint32_t us) { reply.set_rate_limit_us(us); });
            break;
        }
        case proto::SimRequest::kGetRateLimit:
            tell(machine.rate_limit(request.get_rate_limit().pool_id()), false, reply,
                 [&](std::uint32_t us) { reply.set_rate_limit_us(us); });
            break;
        case proto::SimRequest::kSetWeight: {
            const auto& wanted = request.set_weight();
            const auto set = machine.set_scheduling(wanted.domain(), wanted.weight(), std::nullopt);
            if (!set) reply.set_error(set.error().message);
            changed_ = changed_ || set;
            break;
        }
        case proto::SimRequest::kResetTruth:
            world_.reset_truth();
            break;
        case proto::SimRequest::kGetTruth:
            *reply.mutable_truth() = world_.truth();
            break;
        case proto::SimRequest::WHAT_NOT_SET:
            reply.set_error("a request that asks for nothing; set one of its fields");
            break;
        }
        reply.set_now_ns(world_.now());
        reply.set_ended(world_.now() >= world_.end());
        if (changed_ && reply.error().empty()) {
            *reply.mutable_snapshot() = machine.snapshot();
            changed_ = false;
        }
        return {};
    }

    Result<void> advance(Nanoseconds by, proto::SimReply& reply) {
        const Nanoseconds until = std::min(world_.now() + by, world_.end());
        std::string& trace = *reply.mutable_trace();
        const std::size_t changes = world_.changes();
        while (world_.now() < until && world_.changes() == changes &&
               trace.size() < enough_trace_bytes && !stop_()) {
            const Nanoseconds next = std::min({until, world_.now() + slice, world_.next_change()});
            TRY(world_.advance(next));
            trace += world_.machine().drain_trace();
        }
        changed_ = changed_ || world_.changes() != changes;
        *reply.mutable_counters() = world_.machine().counters();
        return {};
    }

    World& world_;
    int socket_;
    const std::function<bool()>& stop_;
    bool changed_ = true; ///< the host, since the last snapshot that was sent
};

} // namespace

Result<void> serve(World& world, int socket, const std::function<bool()>& stop) {
    return Server(world, socket, stop).serve();
}

Result<intellisched::FileDescriptor> accept_client(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return fail("'{}' is no name for a socket; choose one of 1 to {} bytes", path,
                    sizeof address.sun_path - 1);
    std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
    const intellisched::FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const mode_t mask = ::umask(0177); // it is for this user only
    const int bound =
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    ::umask(mask);
    if (bound != 0)
        return fail("{}: cannot make a socket: {}; remove what is there or choose another name",
                    path, std::strerror(error));
    intellisched::FileDescriptor client;
    if (::listen(listener.get(), 1) == 0)
        client =
            intellisched::FileDescriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const int why = errno;
    ::unlink(path.c_str());
    if (client.get() < 0)
        return fail("{}: no client came: {}; start it again", path, std::strerror(why));
    return client;
}

} // namespace sim
