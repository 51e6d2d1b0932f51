// SPDX-License-Identifier: MIT
// What --check-config finds, beyond the configuration's text.
#include "src/service/check_start.hpp"
#include "test_paths.hpp"
#include "tests/support/capture_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

using namespace intellisched;
using namespace intellisched::test;

namespace fs = std::filesystem;

namespace {

const fs::path bundle = fs::path(INTELLISCHED_BUNDLES) / "default.bundle";

struct Site {
    Directory directory;
    fs::path folder = directory.path;
    fs::path config = folder / "conf";

    /// What is said of a configuration with this in it; nothing when a start would go well.
    std::string said(const std::string& text, const fs::path& model = bundle) const {
        spill(config, text);
        const auto checked = service::check_start(config, model);
        return checked ? std::string() : checked.error().message;
    }
    std::string set(const std::string& key, const std::string& name) const {
        return key + " = \"" + (folder / name).string() + "\"\n";
    }
};

} // namespace

TEST_CASE("check of a start: what is well is left as it is") {
    const Site site;
    const std::string all = site.set("journal", "journal.db") + site.set("socket", "socket") +
                            site.set("metrics", "x.prom") + "bundle = \"" + bundle.string() +
                            "\"\n";
    CHECK(site.said(all, "/nonexistent") == "");
    CHECK(std::distance(fs::directory_iterator(site.folder), {}) == 1); // the configuration
    spill(site.folder / "journal.db", "");
    CHECK(site.said(all) == "");
    // The folders of the defaults are systemd's to make.
    if (!fs::exists("/var/lib/intellisched") && !fs::exists("/run/intellisched"))
        CHECK(site.said("") == "");
}

TEST_CASE("check of a start: every mistake is a line") {
    const Site site;
    CHECK(site.said("mode = 1\n").starts_with(site.config.string() + ":1: mode: "));
    const std::string both = site.set("journal", "a/journal.db") + site.set("socket", "b/socket");
    CHECK(site.said(both) ==
          fmt::format("journal: the folder {0}/a is not there; make it, or choose another one\n"
                      "socket: the folder {0}/b is not there; make it, or choose another one",
                      site.folder.string()));
    const std::string good = site.set("journal", "journal.db") + site.set("socket", "socket");
    CHECK(contains(site.said(good, site.folder / "none.bundle"), "none.bundle"));
    spill(site.folder / "bad.bundle", "no bundle");
    CHECK(contains(site.said(good + site.set("bundle", "bad.bundle")), "bad.bundle"));
    CHECK(contains(site.said(good + site.set("metrics", "c/x.prom")), "metrics: the folder "));
    spill(site.folder / "journal.db", "root:x:0:0\n");
    CHECK(site.said(good) ==
          fmt::format("{}/journal.db: is no journal of the service, by its first "
                      "bytes, and is left as it is; name another file for the "
                      "journal, or move this one away",
                      site.folder.string()));
    fs::remove(site.folder / "journal.db");
    fs::create_directory(site.folder / "journal.db");
    spill(site.folder / "socket", "");
    const std::string said = site.said(good);
    CHECK(contains(said, "journal: something else has the name "));
    CHECK(contains(said, "\nsocket: something else has the name "));
}

TEST_CASE("check of a start: what is only a warning") {
    const Site site;
    const auto warned = [&](const std::string& text,
                            const std::optional<std::set<std::string>>& pools) {
        spill(site.config, site.set("journal", "journal.db") + site.set("socket", "socket") + text);
        const auto checked = service::check_start(site.config, bundle, pools);
        REQUIRE_MESSAGE(checked, checked.error().message);
        return *checked;
    };
    const std::set<std::string> there{"Pool-0", "db"};
    const auto plain = warned("", there);
    REQUIRE(plain.size() == 2); // its files are in a temporary folder
    CHECK(plain[0] == fmt::format("journal: intellisched.service may not write to {} unless a "
                                  "drop-in names it in ReadWritePaths=",
                                  site.folder.string()));
    CHECK(plain[1].starts_with("socket: "));
    CHECK(contains(warned("interval = 5", there)[2], "interval: "));
    const std::string pools = "pools = [ \"name=Pool-0\", \"name=bd\" ]";
    CHECK(warned(pools, there)[2] ==
          "pools: bd: there is no credit2 cpupool of that name; there is: Pool-0, db");
    CHECK(warned(pools, std::nullopt).size() == 2);
}

TEST_CASE("check of a start: a folder that this user may not write to") {
    const Site site;
    const bool root = ::geteuid() == 0; // who may write anywhere
    spill(site.config, site.set("journal", "journal.db") + site.set("socket", "socket"));
    REQUIRE(::chmod(site.folder.c_str(), 0555) == 0);
    if (root) REQUIRE(::seteuid(65534) == 0);
    const auto checked = service::check_start(site.config, bundle);
    if (root) REQUIRE(::seteuid(0) == 0);
    REQUIRE(::chmod(site.folder.c_str(), 0700) == 0);
    REQUIRE_FALSE(checked);
    CHECK(contains(checked.error().message, "journal: no file can be made in "));
}
