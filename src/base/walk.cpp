// SPDX-License-Identifier: MIT
#include "src/base/walk.hpp"

#include "src/base/trust.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <unistd.h>

namespace intellisched {

namespace fs = std::filesystem;

Result<Walked> walk(const fs::path& path, bool make) {
    constexpr unsigned most_links = 40; // as the kernel
    const auto cannot = [&](int error) {
        return fail("{}: cannot open: {}", path.string(), std::strerror(error));
    };
    std::error_code error;
    const fs::path whole = fs::absolute(path.empty() ? "." : path, error);
    if (error) return cannot(error.value());
    std::deque<fs::path> left(whole.begin(), whole.end()); // the first is "/"
    Walked at;
    fs::path here; // for messages
    for (unsigned links = 0; !left.empty();) {
        const fs::path name = left.front();
        left.pop_front();
        if (name.empty()) continue;   // after a slash at the end
        const int from = at.fd.get(); // -1 with "/", which needs none
        FileDescriptor next(::openat(from, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (next.get() < 0 && errno == ENOENT && make) {
            if (::mkdirat(from, name.c_str(), 0755) != 0 && errno != EEXIST) return cannot(errno);
            next = FileDescriptor(::openat(from, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        }
        struct stat status {};
        if (next.get() < 0 || ::fstat(next.get(), &status) != 0) return cannot(errno);
        if (S_ISLNK(status.st_mode)) {
            if (!trusted_user(status.st_uid))
                return fail("{}: {} is a link of user {}, which root does not follow; name the "
                            "folder that it leads to",
                            path.string(), (here / name).string(), status.st_uid);
            std::array<char, PATH_MAX> target{};
            const ssize_t size = ::readlinkat(next.get(), "", target.data(), target.size());
            if (size <= 0 || ++links > most_links) return cannot(size < 0 ? errno : ELOOP);
            const fs::path to(std::string_view(target.data(), static_cast<std::size_t>(size)));
            left.insert(left.begin(), to.begin(), to.end());
            if (to.is_absolute()) here.clear();
            continue;
        }
        here /= name;
        if (at.untrusted.empty() && !trusted(status)) at.untrusted = here.string();
        at.fd = std::move(next);
    }
    return at;
}

} // namespace intellisched
