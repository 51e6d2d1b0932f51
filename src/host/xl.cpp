// SPDX-License-Identifier: MIT
#include "src/host/xl.hpp"

#include "collector/counters/moment.hpp"
#include "src/base/log.hpp"
#include "src/host/processor.hpp"
#include "src/host/published_score.hpp"
#include "src/host/xl_configurator.hpp"

#include <array>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <unistd.h>

extern "C" {
#include <libxl.h>
#include <libxl_utils.h>
#include <xenhypfs.h>
#include <xenstore.h>
#include <xentoollog.h>
}

namespace intellisched {

namespace {

static_assert(xl_error::failed == ERROR_FAIL && xl_error::not_implemented == ERROR_NI &&
              xl_error::no_memory == ERROR_NOMEM && xl_error::invalid == ERROR_INVAL &&
              xl_error::not_found == ERROR_NOTFOUND);
#ifdef LIBXL_HAVE_SCHED_CREDIT2_RUNQUEUE
// A patched libxl.h: what is declared by hand for the others must be what it declares.
using Told = libxl_sched_credit2_runqueue;
static_assert(sizeof(Told) == sizeof(XlRunqueue) && sizeof(Told::layout) == sizeof(int) &&
              offsetof(Told, layout) == offsetof(XlRunqueue, layout) &&
              offsetof(Told, max_cpus) == offsetof(XlRunqueue, max_cpus) &&
              offsetof(Told, nr_runqueues) == offsetof(XlRunqueue, nr_runqueues));
static_assert(std::is_same_v<decltype(&libxl_sched_credit2_runqueue_get),
                             int (*)(libxl_ctx*, std::uint32_t, Told*)> &&
              std::is_same_v<decltype(&libxl_sched_credit2_runqueue_set),
                             int (*)(libxl_ctx*, std::uint32_t, Told*)>);
static_assert(LIBXL_CREDIT2_RUNQUEUE_CPU == static_cast<int>(Layout::cpu) &&
              LIBXL_CREDIT2_RUNQUEUE_CORE == static_cast<int>(Layout::core) &&
              LIBXL_CREDIT2_RUNQUEUE_SOCKET == static_cast<int>(Layout::socket) &&
              LIBXL_CREDIT2_RUNQUEUE_NODE == static_cast<int>(Layout::node) &&
              LIBXL_CREDIT2_RUNQUEUE_ALL == static_cast<int>(Layout::all) &&
              LIBXL_SCHED_CREDIT2_MAX_CPUS_NONE == no_cap);
#endif

/// libxl and its libraries report through this instead of printing: to the log for whoever debugs,
/// with the last error kept as the cause that a failing call did not return.
struct Logger {
    xentoollog_logger base{}; // first: the libraries know only of this
    std::string last;

    Logger() { base = {message, progress, destroy}; }

    static void message(xentoollog_logger* base, xentoollog_level level, int error,
                        const char* context, const char* format, va_list arguments)
        __attribute__((format(printf, 5, 0))) {
        if (level < XTL_WARN) return;
        std::array<char, 512> text{};
        std::vsnprintf(text.data(), text.size(), format, arguments);
        std::string line = printable(text.data(), text.size());
        if (error >= 0) line += std::string(": ") + std::strerror(error);
        BOOST_LOG_TRIVIAL(debug) << (context ? context : "libxl") << ": " << line;
        reinterpret_cast<Logger*>(base)->last = std::move(line);
    }
    static void progress(xentoollog_logger*, const char*, const char*, int, unsigned long,
                         unsigned long) {}
    static void destroy(xentoollog_logger*) {}
};

/// libxl says ERROR_FAIL whatever it is that Xen refuses: this tells why.
int cause(libxl_ctx* context, std::uint32_t pool, int error) {
    if (error != ERROR_FAIL) return error;
    libxl_cpupoolinfo info;
    libxl_cpupoolinfo_init(&info);
    if (libxl_cpupool_info(context, &info, pool) != 0)
        error = ERROR_NOTFOUND;
    else if (info.sched != LIBXL_SCHEDULER_CREDIT2)
        error = ERROR_INVAL;
    libxl_cpupoolinfo_dispose(&info);
    return error;
}

template<int (*function)(libxl_ctx*, std::uint32_t, libxl_sched_credit2_params*)>
int call_rate_limit(void* opaque, std::uint32_t pool, unsigned* us) {
    auto* context = static_cast<libxl_ctx*>(opaque);
    libxl_sched_credit2_params params;
    libxl_sched_credit2_params_init(&params);
    params.ratelimit_us = static_cast<int>(*us);
    const int error = cause(context, pool, function(context, pool, &params));
    if (error == 0) *us = static_cast<unsigned>(params.ratelimit_us);
    return error;
}

int call_set_weight(void* opaque, std::uint32_t domain, unsigned* weight) {
    libxl_domain_sched_params params;
    libxl_domain_sched_params_init(&params);
    params.sched = LIBXL_SCHEDULER_CREDIT2; // of another one it is refused
    params.weight = static_cast<int>(*weight);
    const int error =
        libxl_domain_sched_params_set(static_cast<libxl_ctx*>(opaque), domain, &params);
    libxl_domain_sched_params_dispose(&params);
    return error;
}

constexpr RateLimitCalls rate_limit_calls{call_rate_limit<libxl_sched_credit2_params_get>,
                                          call_rate_limit<libxl_sched_credit2_params_set>};

/// A list as libxl returns it, given back by the function that libxl has for it.
template<class T> class List {
  public:
    List(T* items, int count, void (*release)(T*, int))
        : items_(items), count_(items ? count : 0), release_(release) {}
    List(const List&) = delete;
    List& operator=(const List&) = delete;
    ~List() {
        if (items_) release_(items_, count_);
    }
    explicit operator bool() const { return items_ != nullptr; }
    [[nodiscard]] std::span<T> items() const { return {items_, static_cast<std::size_t>(count_)}; }

  private:
    T* items_;
    int count_;
    void (*release_)(T*, int);
};

} // namespace

struct Xl::Impl {
    Logger logger;
    libxl_ctx* context = nullptr;
    xenhypfs_handle* hypfs = nullptr;
    xs_handle* store = nullptr; ///< as old as libxl's own, which it does not show
    unsigned threads_per_core = 0;
    std::string boot_granularity = "cpu";
    Arrangement boot;
    std::optional<XlConfigurator> configurator; ///< from open() on

    Impl() = default;
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        if (store) xs_close(store);
        if (hypfs) xenhypfs_close(hypfs);
        if (context) libxl_ctx_free(context);
    }

    tl::unexpected<Error> failed(const char* what) {
        return fail("libxl cannot {}{}{}; check that the Xen services run", what,
                    logger.last.empty() ? "" : ": ", logger.last);
    }

    std::string granularity(std::uint32_t pool);
    Result<std::set<std::uint32_t>> add_cpus(proto::HostSnapshot& snapshot);
    Result<std::set<std::uint32_t>> add_pools(proto::HostSnapshot& snapshot,
                                              const std::set<std::uint32_t>& online);
    Result<void> add_domains(proto::HostSnapshot& snapshot, const std::set<std::uint32_t>& online,
                             const std::set<std::uint32_t>& credit2_pools);
    bool add_vcpus(proto::Domain& domain, const std::set<std::uint32_t>& online);
};

Xl::Xl(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Xl::Xl(Xl&&) noexcept = default;
Xl& Xl::operator=(Xl&&) noexcept = default;
Xl::~Xl() = default;

Result<Xl> Xl::open() {
    // libxl's own message for this is about a pid file.
    if (::access("/dev/xen/privcmd", R_OK | W_OK) != 0)
        return fail("/dev/xen/privcmd: {}; run it as root in dom0", std::strerror(errno));
    auto impl = std::make_unique<Impl>();
    if (libxl_ctx_alloc(&impl->context, LIBXL_VERSION, 0, &impl->logger.base) != 0)
        return impl->failed("reach Xen");
    impl->store = xs_open(0);
    if (!impl->store) return impl->failed("reach xenstored");
    impl->configurator.emplace(find_runqueue_calls(), rate_limit_calls, call_set_weight,
                               impl->context, &impl->logger.last);
    impl->threads_per_core = threads_per_core_of_host();
    impl->hypfs = xenhypfs_open(&impl->logger.base, 0); // a Xen without hypfs is fine
    return Xl(std::move(impl));
}

Result<HostInfo> Xl::info() {
    const libxl_version_info* version = libxl_get_version_info(impl_->context); // the context's
    if (!version) return impl_->failed("tell the version of Xen");
    HostInfo info;
    info.xen_version =
        fmt::format("{}.{}{}", version->xen_version_major, version->xen_version_minor,
                    version->xen_version_extra ? version->xen_version_extra : "");
    info.xen_command_line = valid_utf8(version->commandline ? version->commandline : "");
    info.boot = boot_arrangement(info.xen_command_line);
    impl_->boot = info.boot;
    impl_->boot_granularity = granularity_at_boot(info.xen_command_line);

    libxl_physinfo physinfo;
    libxl_physinfo_init(&physinfo);
    const int error = libxl_get_physinfo(impl_->context, &physinfo);
    info.tsc_khz = physinfo.cpu_khz;
    libxl_physinfo_dispose(&physinfo);
    if (error != 0) return impl_->failed("tell the speed of the CPUs");
    return info;
}

bool Xl::connected() {
    unsigned length = 0;
    const std::unique_ptr<void, decltype(&std::free)> name(
        xs_read(impl_->store, XBT_NULL, "/local/domain/0/name", &length), &std::free);
    return name || errno == ENOENT;
}

void Xl::add_published_scores(proto::CounterSample& sample) {
    for (proto::DomainCounters& domain : *sample.mutable_domains()) {
        if (domain.id() == 0) continue;
        const std::string path = fmt::format("/local/domain/{}/{}", domain.id(), score_node);
        unsigned length = 0;
        const std::unique_ptr<void, decltype(&std::free)> bytes(
            xs_read(impl_->store, XBT_NULL, path.c_str(), &length), &std::free);
        if (!bytes) continue; // no such node, or no xenstored, which connected() tells
        const auto score = parse_score({static_cast<const char*>(bytes.get()), length});
        if (score) domain.set_published_score(*score);
    }
}

Configurator& Xl::configurator() { return *impl_->configurator; }

Result<std::vector<HardAffinity>> Xl::hard_affinities(std::uint32_t domain) {
    impl_->logger.last.clear();
    int count = 0;
    int cpus = 0;
    libxl_vcpuinfo* vcpus = libxl_list_vcpu(impl_->context, domain, &count, &cpus);
    const List list(vcpus, count, libxl_vcpuinfo_list_free);
    if (!list) return impl_->failed("tell the affinity of vCPUs");
    std::vector<HardAffinity> affinities;
    for (const libxl_vcpuinfo& info : list.items())
        if (info.online)
            affinities.push_back(
                {info.vcpuid, {info.cpumap.map, info.cpumap.map + info.cpumap.size}});
    return affinities;
}

Result<void> Xl::set_hard_affinity(std::uint32_t domain, const HardAffinity& affinity) {
    impl_->logger.last.clear();
    std::vector<std::uint8_t> bits = affinity.cpus;
    const libxl_bitmap map{static_cast<std::uint32_t>(bits.size()), bits.data()};
    if (libxl_set_vcpuaffinity(impl_->context, domain, affinity.vcpu, &map, nullptr) != 0)
        return impl_->failed(
            fmt::format("pin vCPU {} of domain {}", affinity.vcpu, domain).c_str());
    return {};
}

Result<HostView> Xl::snapshot() {
    impl_->logger.last.clear();
    const counters::Moment moment = counters::now();
    proto::HostSnapshot snapshot;
    snapshot.set_tsc(moment.tsc);
    snapshot.set_monotonic_ns(moment.monotonic_ns);
    snapshot.set_threads_per_core(impl_->threads_per_core);
    auto online = TRY(impl_->add_cpus(snapshot));
    auto credit2_pools = TRY(impl_->add_pools(snapshot, online));
    TRY(impl_->add_domains(snapshot, online, credit2_pools));
    return view_of(std::move(snapshot));
}

/// Adds the online CPUs and returns their ids.
Result<std::set<std::uint32_t>> Xl::Impl::add_cpus(proto::HostSnapshot& snapshot) {
    int count = 0;
    libxl_cputopology* topology = libxl_get_cpu_topology(context, &count);
    const List list(topology, count, libxl_cputopology_list_free);
    if (!list) return failed("tell the CPU topology");
    // The table has every CPU that is present; one that is online is in a pool, or free for one.
    std::vector<std::uint8_t> inside(static_cast<std::size_t>(count + 7) / 8);
    const auto add = [&](const libxl_bitmap& map) {
        for (std::uint32_t i = 0; i < std::min<std::size_t>(map.size, inside.size()); ++i)
            inside[i] |= map.map[i];
    };
    int pool_count = 0;
    libxl_cpupoolinfo* pools = libxl_list_cpupool(context, &pool_count);
    const List pool_list(pools, pool_count, libxl_cpupoolinfo_list_free);
    if (!pool_list) return failed("list the cpupools");
    for (const libxl_cpupoolinfo& pool : pool_list.items()) add(pool.cpumap);
    libxl_bitmap spare;
    libxl_bitmap_init(&spare);
    const int error = libxl_get_freecpus(context, &spare);
    if (error == 0) add(spare);
    libxl_bitmap_dispose(&spare);
    if (error != 0) return failed("list the CPUs of no pool");
    std::set<std::uint32_t> online;
    for (std::uint32_t id = 0; const libxl_cputopology& cpu : list.items()) {
        if ((inside[id / 8] >> id % 8 & 1) != 0 && cpu.core != LIBXL_CPUTOPOLOGY_INVALID_ENTRY) {
            proto::Cpu& to = *snapshot.add_cpus();
            to.set_id(id);
            to.set_core(cpu.core);
            to.set_socket(cpu.socket);
            to.set_node(cpu.node);
            online.insert(id);
        }
        ++id;
    }
    return online;
}

/// Since Xen 4.17 a pool can have a granularity of its own, which only hypfs tells.
std::string Xl::Impl::granularity(std::uint32_t pool) {
    if (hypfs) {
        const std::string path = fmt::format("/cpupool/{}/sched-gran", pool);
        const std::unique_ptr<char, decltype(&std::free)> value(xenhypfs_read(hypfs, path.c_str()),
                                                                &std::free);
        if (value) return valid_utf8(value.get());
    }
    return boot_granularity;
}

/// Adds the pools and returns the ids of those that credit2 schedules.
Result<std::set<std::uint32_t>> Xl::Impl::add_pools(proto::HostSnapshot& snapshot,
                                                    const std::set<std::uint32_t>& online) {
    int count = 0;
    libxl_cpupoolinfo* pools = libxl_list_cpupool(context, &count);
    const List list(pools, count, libxl_cpupoolinfo_list_free);
    if (!list) return failed("list the cpupools");
    std::set<std::uint32_t> credit2_pools;
    for (const libxl_cpupoolinfo& pool : list.items()) {
        proto::Pool& to = *snapshot.add_pools();
        const char* scheduler = libxl_scheduler_to_string(pool.sched);
        to.set_id(pool.poolid);
        to.set_name(valid_utf8(pool.pool_name ? pool.pool_name : ""));
        to.set_scheduler(scheduler ? scheduler : "unknown");
        to.set_granularity(granularity(pool.poolid));
        // One that came since the topology was read is there at the next look.
        for (const std::uint32_t cpu : online)
            if (libxl_bitmap_test(&pool.cpumap, static_cast<int>(cpu))) to.add_cpus(cpu);
        if (pool.sched != LIBXL_SCHEDULER_CREDIT2) continue;
        credit2_pools.insert(pool.poolid);
        const Pool here{.id = pool.poolid,
                        .name = printable(to.name()),
                        .scheduler = to.scheduler(),
                        .cpus = {}};
        auto told = TRY(configurator->layout_if_told(here));
        const auto us = configurator->rate_limit(here);
        if (us && possible_rate_limit(*us)) to.set_rate_limit_us(*us);
        *to.mutable_arrangement() = message_of(told ? told->arrangement : boot);
        to.set_can_rearrange(told.has_value());
        if (told) to.set_runqueues(told->runqueues);
    }
    return credit2_pools;
}

Result<void> Xl::Impl::add_domains(proto::HostSnapshot& snapshot,
                                   const std::set<std::uint32_t>& online,
                                   const std::set<std::uint32_t>& credit2_pools) {
    int count = 0;
    libxl_dominfo* domains = libxl_list_domain(context, &count);
    const List list(domains, count, libxl_dominfo_list_free);
    if (!list) return failed("list the domains");
    for (const libxl_dominfo& info : list.items()) {
        if (info.dying) continue;
        proto::Domain domain;
        domain.set_id(info.domid);
        domain.set_pool_id(info.cpupool);
        domain.set_uuid(info.uuid.uuid, sizeof info.uuid.uuid);
        const std::unique_ptr<char, decltype(&std::free)> name(
            libxl_domid_to_name(context, info.domid), &std::free);
        if (name) domain.set_name(valid_utf8(name.get()));
        if (credit2_pools.contains(info.cpupool)) {
            libxl_domain_sched_params params;
            libxl_domain_sched_params_init(&params);
            if (libxl_domain_sched_params_get(context, info.domid, &params) == 0) {
                domain.set_weight(static_cast<std::uint32_t>(params.weight));
                domain.set_cap(static_cast<std::uint32_t>(params.cap));
            }
            libxl_domain_sched_params_dispose(&params);
        }
        if (add_vcpus(domain, online)) *snapshot.add_domains() = std::move(domain);
    }
    return {};
}

bool Xl::Impl::add_vcpus(proto::Domain& domain, const std::set<std::uint32_t>& online) {
    int count = 0;
    int cpus = 0;
    libxl_vcpuinfo* vcpus = libxl_list_vcpu(context, domain.id(), &count, &cpus);
    const List list(vcpus, count, libxl_vcpuinfo_list_free);
    if (!list) return false;
    const auto affinity = [&](const libxl_bitmap& map, auto* to) {
        for (const std::uint32_t cpu : online)
            if (libxl_bitmap_test(&map, static_cast<int>(cpu))) to->Add(cpu);
        if (static_cast<std::size_t>(to->size()) == online.size()) to->Clear();
    };
    for (const libxl_vcpuinfo& info : list.items()) {
        proto::Vcpu& vcpu = *domain.add_vcpus();
        vcpu.set_id(info.vcpuid);
        vcpu.set_online(info.online);
        affinity(info.cpumap, vcpu.mutable_hard_affinity());
        affinity(info.cpumap_soft, vcpu.mutable_soft_affinity());
    }
    return true;
}

std::string granularity_at_boot(std::string_view command_line) {
    constexpr std::string_view option = "sched-gran=";
    std::string granularity = "cpu";
    while (!command_line.empty()) {
        const std::string_view word = command_line.substr(0, command_line.find(' '));
        command_line.remove_prefix(std::min(word.size() + 1, command_line.size()));
        const std::string_view value =
            word.starts_with(option) ? word.substr(option.size()) : std::string_view();
        if (value == "cpu" || value == "core" || value == "socket") granularity = value;
    }
    return granularity;
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
        // Bytes that the first one announces, and the least code point that needs as many.
        const unsigned char first = byte(0);
        const std::size_t length = first < 0x80       ? 1
                                   : first >> 5 == 6  ? 2
                                   : first >> 4 == 14 ? 3
                                   : first >> 3 == 30 ? 4
                                                      : 0;
        constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
        char32_t code = length == 1 ? first : first & (0x7f >> length);
        bool valid = length != 0 && length <= text.size();
        for (std::size_t i = 1; valid && i < length; ++i) {
            valid = byte(i) >> 6 == 2;
            code = code << 6 | (byte(i) & 0x3f);
        }
        valid =
            valid && code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        if (valid)
            out += text.substr(0, length);
        else
            out += '?';
        text.remove_prefix(valid ? length : 1);
    }
    return out;
}

} // namespace intellisched
