// SPDX-License-Identifier: MIT
// libFuzzer target: a capture from anywhere. The input is the four files of a capture, either as
// they are, or as payloads that are put into records with right checksums and a zstd frame, which a
// fuzzer would not guess. Everything is read through the host that plays captures back, and what
// can be replayed is made a scenario. Most changes are made to a capture that is whole.
#include "bench/replay/scenario.hpp"
#include "collector/capture/format.hpp"
#include "src/host/capture_host.hpp"
#include "src/proto/capture.pb.h"
#include "tests/fuzz/messages.hpp"
#include "tests/support/fake_world.hpp"

#include <algorithm>
#include <array>
#include <boost/log/core.hpp>
#include <cmath>
#include <google/protobuf/stubs/logging.h>
#include <zstd.h>

using namespace intellisched;

namespace {

/// Of the first byte: the files are payloads; the trace is to be compressed.
constexpr unsigned as_payloads = 1, compressed = 2;

/// `payload` as a file of two records with it.
std::string as_records(std::string_view payload, const RecordFormat& format) {
    const std::string record = fuzz::as_record(payload);
    return encode_header(format) + record + record;
}

std::string as_frame(std::string_view bytes) {
    std::string frame(::ZSTD_compressBound(bytes.size()), '\0');
    static ZSTD_CCtx* const context = ::ZSTD_createCCtx();
    const std::size_t size =
        ::ZSTD_compressCCtx(context, frame.data(), frame.size(), bytes.data(), bytes.size(), 1);
    if (::ZSTD_isError(size) != 0) std::abort();
    frame.resize(size);
    return frame;
}

std::string good_capture() {
    proto::CaptureManifest manifest;
    manifest.set_xen_command_line("credit2_runqueue=core sched_ratelimit_us=500");
    manifest.set_pool("Pool-0");
    manifest.set_boot_layout("core");
    manifest.set_tsc_khz(test::fake_tsc_khz);
    proto::Arrangement arrangement;
    arrangement.set_layout("core");
    const auto snapshot = test::fake_snapshot(test::fake_start_ns, 2, 2, 1, 2, arrangement);
    proto::CounterSample counters;
    counters.set_tsc(test::fake_start_ns);
    counters.add_domains()->set_id(1);
    const auto trace = test::fake_trace(test::fake_start_ns, test::fake_start_ns + 5'000'000, 2);
    return char(as_payloads | compressed) + fuzz::piece(manifest.SerializeAsString()) +
           fuzz::piece(snapshot.SerializeAsString()) + fuzz::piece(counters.SerializeAsString()) +
           std::string(reinterpret_cast<const char*>(trace.data()), trace.size());
}

void look_at(const HostView& host) {
    // A partition is quadratic in the CPUs: no fuzzing time for big ones.
    if (host.topology.cpus.size() <= 64)
        for (const Pool& pool : host.pools)
            (void)representatives(host.topology, pool,
                                  pool.arrangement.value_or(Arrangement{}).max_cpus);
    (void)find_pool(host.pools, "0");
}

/// Looks at all that passes; a zstd bomb is given in pieces for as long as one likes to look.
class Looked final : public Host {
  public:
    explicit Looked(Host& host) : host_(host) {}
    [[nodiscard]] const HostInfo& info() const override { return host_.info(); }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        auto item = host_.next();
        if (!item || !*item) return item;
        if (const auto* seen = std::get_if<HostView>(&**item)) look_at(*seen);
        if (const auto* trace = std::get_if<TraceBytes>(&**item)) {
            if (trace->bytes.empty() || trace->bytes.size() > capture::Reader::trace_piece)
                std::abort();
            if (trace->bytes.size() >= budget_) return std::nullopt;
            budget_ -= trace->bytes.size();
        }
        return item;
    }

  private:
    Host& host_;
    std::size_t budget_ = std::size_t{4} << 20;
};

void check(const proto::Scenario& scenario) {
    const auto time = [](double value) { return std::isfinite(value) && value >= 0; };
    if (!(scenario.measured_s() > 0) || !time(scenario.measured_s())) std::abort();
    for (const proto::Guest& guest : scenario.guests())
        for (const auto& vcpu : guest.phases(0).loads(0).replay().vcpus()) {
            if (vcpu.wake_us_size() + vcpu.block_us_size() != vcpu.run_us_size()) std::abort();
            for (const auto* times : {&vcpu.wake_us(), &vcpu.block_us(), &vcpu.run_us()})
                if (!std::all_of(times->begin(), times->end(), time)) std::abort();
        }
    (void)replay::text_of(scenario);
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    fuzz::Random random(seed_number);
    static const std::string good = good_capture();
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 8 || random() % 1000 == 0) input = good;
    if ((input.front() & as_payloads) == 0 || random() % 16 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    const char form = input.front();
    input.remove_prefix(1);
    std::array<std::string, 3> parts;
    for (auto& part : parts) part = fuzz::take(input);
    std::string trace(input);
    switch (random() % 4) {
    case 0:
        parts[0] = fuzz::changed<proto::CaptureManifest>(parts[0], random);
        break;
    case 1:
        parts[1] = fuzz::changed<proto::HostSnapshot>(parts[1], random);
        break;
    case 2:
        parts[2] = fuzz::changed<proto::CounterSample>(parts[2], random);
        break;
    default:
        trace = fuzz::changed_bytes(trace, 64);
        break;
    }
    std::string out(1, form);
    for (const auto& part : parts) out += fuzz::piece(part);
    return fuzz::hand_over(out + trace, data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::Directory directory;
    [[maybe_unused]] static auto* const previous = google::protobuf::SetLogHandler(nullptr);
    [[maybe_unused]] static const bool quiet = [] {
        boost::log::core::get()->set_logging_enabled(false);
        return true;
    }();
    if (size == 0) return 0;
    std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto form = static_cast<unsigned char>(input[0]);
    input.remove_prefix(1);
    // Most inputs differ from the one before in one file: the others stay.
    struct Part {
        unsigned form = ~0U;
        std::string bytes;
    };
    static std::array<Part, 4> written;
    const auto spill = [](std::size_t file, const char* name, unsigned how, std::string_view part,
                          auto encoded) {
        if (how == written[file].form && part == written[file].bytes) return;
        fuzz::spill(directory.path() / name, how != 0 ? encoded(part) : std::string(part));
        written[file] = {how, std::string(part)};
    };
    const std::array formats{capture::manifest_format, capture::host_format,
                             capture::counters_format};
    const std::array names{capture::manifest_file, capture::host_file, capture::counters_file};
    for (std::size_t i = 0; i < names.size(); ++i)
        spill(i, names[i], form & as_payloads, fuzz::take(input),
              [&](std::string_view part) { return as_records(part, formats[i]); });
    spill(names.size(), capture::trace_file, form & compressed, input, as_frame);

    auto captured = CaptureHost::open(directory.path());
    if (!captured) return 0;
    Looked host(**captured);
    const auto recording = replay::read_recording(host, "capture");
    // What it refuses half way is looked at to its end all the same.
    if (!recording)
        for (auto item = host.next(); item && *item; item = host.next()) {
        }
    for (const auto wakes : {replay::Wakes::open, replay::Wakes::closed, replay::Wakes::causal})
        if (recording)
            if (const auto scenario = replay::scenario_of(
                    *recording, recording->collected.stretches(), "capture", wakes))
                check(*scenario);
    return 0;
}
