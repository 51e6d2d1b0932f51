// SPDX-License-Identifier: MIT
// The control socket with real clients: good ones, and such as flood it, stall, ask for too much,
// or are too many; as root, whoever runs the tests, and as others where root does.
#include "src/service/control.hpp"
#include "tests/support/capture_files.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <thread>

using namespace intellisched;
using namespace intellisched::service;
using namespace intellisched::test;
using namespace std::chrono_literals;

namespace {

/// A loop with a control socket on a thread, and a timer that must not be held up.
class Served {
  public:
    explicit Served(ControlLimits limits = {}) {
        thread_ = std::thread([this, limits] {
            auto loop = Loop::make();
            auto control = Control::open(
                *loop, path(),
                [this](const proto::ControlRequest& request, Asker asker) {
                    ++answers;
                    root = asker == Asker::root;
                    proto::ControlReply reply;
                    if (request.has_pause()) reply.set_error("no pool " + request.pause().pool());
                    reply.mutable_status()->set_version(std::string(reply_bytes, 'x'));
                    return reply;
                },
                limits);
            if (!control) failed_ = control.error().message;
            auto timer = loop->every(10ms, [&] { ++ticks_; });
            ready_ = true;
            while (!stop_) {
                (void)loop->turn(10ms);
                if (control) clients = (*control)->clients();
            }
        });
        while (!ready_) std::this_thread::yield();
        REQUIRE(failed_.empty());
    }
    ~Served() {
        stop_ = true;
        thread_.join();
    }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;

    [[nodiscard]] std::string path() const { return (directory_.path / "socket").string(); }
    void give_to_group(gid_t group) const {
        REQUIRE(::chmod(directory_.path.c_str(), 0711) == 0);
        REQUIRE(::chown(path().c_str(), 0, group) == 0);
    }
    [[nodiscard]] FileDescriptor connect() const {
        FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path().copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof address) == 0);
        const timeval patience{5, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        return socket;
    }
    /// What the client is told until it is cut off.
    [[nodiscard]] static std::string all_from(const FileDescriptor& socket) {
        std::string all;
        char bytes[4096];
        for (ssize_t size; (size = ::recv(socket.get(), bytes, sizeof bytes, 0)) > 0;)
            all.append(bytes, static_cast<std::size_t>(size));
        return all;
    }
    [[nodiscard]] Result<proto::ControlReply> status() const {
        proto::ControlRequest request;
        request.set_status(true);
        return ask_service(path(), request);
    }
    [[nodiscard]] unsigned ticks() const { return ticks_; }

    std::atomic<bool> root = false; ///< asked last
    std::atomic<unsigned> answers = 0;
    std::atomic<std::size_t> clients = 0, reply_bytes = 3;

  private:
    Directory directory_;
    std::atomic<bool> ready_ = false, stop_ = false;
    std::atomic<unsigned> ticks_ = 0;
    std::string failed_;
    std::thread thread_;
};

void send(const FileDescriptor& socket, const std::string& bytes) {
    (void)!::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

std::string status_request() {
    proto::ControlRequest request;
    request.set_status(true);
    return framed(request);
}

/// Until it holds, half a minute at most: the machine may be busy otherwise.
template<class What> bool soon(What what) {
    for (unsigned i = 0; i < 3000 && !what(); ++i) std::this_thread::sleep_for(10ms);
    return what();
}

} // namespace

TEST_CASE("control: a request is put together from bytes cut anywhere") {
    proto::ControlRequest request;
    request.mutable_pause()->set_pool("Pool-0");
    const std::string bytes = framed(request);
    RequestFrame frame;
    for (const char byte : bytes) {
        REQUIRE(frame.wanted() > 0);
        frame.add({&byte, 1});
    }
    CHECK(frame.wanted() == 0);
    CHECK(!frame.too_long());
    const auto reply = frame.reply(
        [](const proto::ControlRequest& asked, Asker) {
            proto::ControlReply told;
            told.set_error(asked.pause().pool());
            return told;
        },
        Asker::root);
    CHECK(reply.error() == "Pool-0");

    RequestFrame longer;
    longer.add(std::string("\x01\x00\x01\x00", 4)); // 65537 bytes
    CHECK(longer.too_long());
    CHECK(longer.wanted() == 0);
    const auto never = [](const proto::ControlRequest&, Asker) -> proto::ControlReply {
        FAIL("asked");
        return {};
    };
    CHECK(longer.reply(never, Asker::root).error().find("65537") != std::string::npos);
}

TEST_CASE("a request is answered, an error comes as one, and the socket is not for everybody") {
    const Served served;
    const auto reply = served.status();
    REQUIRE(reply);
    CHECK(reply->status().version() == "xxx");
    proto::ControlRequest pause;
    pause.mutable_pause()->set_pool("db");
    const auto refused = ask_service(served.path(), pause);
    REQUIRE_FALSE(refused);
    CHECK(contains(refused.error().message, "no pool db"));
    struct stat file {};
    REQUIRE(::stat(served.path().c_str(), &file) == 0);
    CHECK((file.st_mode & 0777) == 0660);
    CHECK(soon([&] { return served.clients == 0; }));
}

TEST_CASE("several requests on one connection, byte by byte") {
    const Served served;
    const FileDescriptor socket = served.connect();
    const std::string request = status_request();
    for (unsigned i = 0; i < 3; ++i) {
        for (const char byte : request) send(socket, {byte});
        char header[4];
        REQUIRE(::recv(socket.get(), header, sizeof header, MSG_WAITALL) == 4);
        char body[256];
        REQUIRE(::recv(socket.get(), body, static_cast<std::size_t>(header[0]), MSG_WAITALL) ==
                header[0]);
    }
    CHECK(served.answers == 3);
}

TEST_CASE("what is no request is said to be none, and what is too long ends the connection") {
    const Served served;
    FileDescriptor socket = served.connect();
    send(socket, std::string("\x04\0\0\0\xff\xff\xff\xff", 8));
    char header[4];
    REQUIRE(::recv(socket.get(), header, sizeof header, MSG_WAITALL) == 4);
    CHECK(served.answers == 0);

    socket = served.connect();
    send(socket, std::string("\x01\0\x01\0", 4)); // 65537 bytes
    CHECK(contains(Served::all_from(socket), "65537"));
    socket = served.connect();
    send(socket, std::string("\xff\xff\xff\xff", 4));
    CHECK(contains(Served::all_from(socket), "4294967295"));
    CHECK(served.answers == 0);
    CHECK(served.status());
}

TEST_CASE("a client that stalls is cut off, at every point") {
    const Served served({200ms});
    const std::string request = status_request();
    for (const std::size_t sent : {std::size_t{0}, std::size_t{2}, request.size() - 1}) {
        const FileDescriptor socket = served.connect();
        send(socket, request.substr(0, sent));
        CHECK(Served::all_from(socket).empty()); // which ends when it is cut off
    }
    CHECK(served.answers == 0);
    CHECK(soon([&] { return served.clients == 0; }));
}

TEST_CASE("one that drips bytes has no more time than one that sends none") {
    const Served served({300ms});
    const FileDescriptor socket = served.connect();
    send(socket, std::string("\xe8\x03\0\0", 4));
    unsigned sent = 0;
    while (::send(socket.get(), "x", 1, MSG_NOSIGNAL) == 1 && sent < 400) {
        ++sent;
        std::this_thread::sleep_for(10ms);
    }
    CHECK(sent < 400);
}

TEST_CASE("one that does not take its reply is cut off") {
    Served served({200ms});
    served.reply_bytes = 4 << 20;
    const FileDescriptor socket = served.connect();
    send(socket, status_request());
    CHECK(soon([&] { return served.clients == 1; }));
    CHECK(soon([&] { return served.clients == 0; }));
    CHECK(Served::all_from(socket).size() < (4U << 20));
    CHECK(served.status()); // a patient one has it all
}

TEST_CASE("the seventeenth client is told so, and the next after one has gone is served") {
    const Served served;
    std::vector<FileDescriptor> sockets;
    for (std::size_t i = 0; i < max_control_clients; ++i) sockets.push_back(served.connect());
    CHECK(soon([&] { return served.clients == max_control_clients; }));
    const auto refused = served.status();
    REQUIRE_FALSE(refused);
    CHECK(contains(refused.error().message, "too many clients"));
    sockets.pop_back();
    CHECK(soon([&] { return served.clients == max_control_clients - 1; }));
    CHECK(served.status());
}

TEST_CASE("the socket's group is told from root and from others, and leaves two places to root") {
    if (::geteuid() != 0) return; // nobody else may become somebody else
    Served served;
    constexpr gid_t group = 54321;
    served.give_to_group(group);
    const auto as = [&](gid_t gid, auto deed) {
        // These system calls are of this thread alone, unlike the functions of the C library.
        std::thread([&] {
            REQUIRE(::syscall(SYS_setgroups, 0, nullptr) == 0);
            REQUIRE(::syscall(SYS_setresgid, gid, gid, gid) == 0);
            REQUIRE(::syscall(SYS_setresuid, 54322, 54322, 54322) == 0);
            deed();
        }).join();
    };
    as(group, [&] { CHECK(served.status()); });
    CHECK_FALSE(served.root);
    CHECK(served.status());
    CHECK(served.root);
    as(group + 1, [&] { CHECK_FALSE(served.status()); });

    std::vector<FileDescriptor> sockets;
    constexpr std::size_t of_group = max_control_clients - kept_for_root;
    as(group, [&] {
        for (std::size_t i = 0; i < of_group; ++i) sockets.push_back(served.connect());
        CHECK(soon([&] { return served.clients == of_group; }));
        const auto refused = served.status();
        REQUIRE_FALSE(refused);
        CHECK(contains(refused.error().message, "too many clients"));
    });
    CHECK(served.status());
}

TEST_CASE("a flood holds nothing else up") {
    const Served served;
    std::atomic<bool> stop = false;
    std::vector<std::thread> floods;
    for (unsigned i = 0; i < 8; ++i)
        floods.emplace_back([&, i] {
            while (!stop) {
                const FileDescriptor socket = served.connect();
                std::string many;
                for (unsigned n = 0; n < 500; ++n)
                    many += i % 2 ? std::string(100, '\xff') : status_request();
                const timeval little{0, 20'000};
                ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &little, sizeof little);
                send(socket, many);
            }
        });
    const unsigned before = served.ticks();
    const bool ticks = soon([&] { return served.ticks() - before > 30; });
    stop = true;
    for (auto& flood : floods) flood.join();
    CHECK(served.answers > 0);
    CHECK(ticks);
    CHECK(served.status());
}

TEST_CASE("a socket that nobody serves is replaced, another file is not, a living one neither") {
    const Directory directory;
    const std::string path = (directory.path / "socket").string();
    auto loop = Loop::make();
    REQUIRE(loop);
    const auto answer = [](const proto::ControlRequest&, Asker) { return proto::ControlReply(); };
    {
        const FileDescriptor left(::socket(AF_UNIX, SOCK_STREAM, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
    }
    {
        auto control = Control::open(*loop, path, answer);
        if (!control) FAIL(control.error().message);
        CHECK_FALSE(Control::open(*loop, path, answer));
        CHECK(std::filesystem::exists(path)); // it is still that of the first
    }
    CHECK_FALSE(std::filesystem::exists(path));
    spill(path, "text");
    CHECK_FALSE(Control::open(*loop, path, answer));
    CHECK(slurp(path) == "text");
    CHECK_FALSE(Control::open(*loop, std::string(200, 'x'), answer));
    CHECK_FALSE(ask_service(directory.path / "none", {}));
}

TEST_CASE("a timer does not drift, and leaves out what was missed") {
    auto loop = Loop::make();
    REQUIRE(loop);
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::chrono::nanoseconds> times;
    auto timer = loop->every(20ms, [&] {
        times.push_back(std::chrono::steady_clock::now() - start);
        if (times.size() == 2) std::this_thread::sleep_for(50ms);
    });
    REQUIRE(timer);
    while (times.size() < 5) REQUIRE(loop->turn(1s));
    // 60 and 80 are missed; all that come are multiples, and no more late than this machine is.
    CHECK(times[4] >= 120ms);
    CHECK(std::any_of(times.begin(), times.end(), [](auto time) { return time % 20ms < 10ms; }));
}
