// SPDX-License-Identifier: MIT
#include "collector/trace/live.hpp"

#include "collector/trace/ring.hpp"
#include "src/base/log.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <poll.h>
#include <span>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

extern "C" {
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xentoollog.h>
}

namespace intellisched::trace {

namespace {

constexpr std::size_t page_size = 4096; // XC_PAGE_SIZE; Xen on x86 knows no other

// The libraries would print to stderr what we return as an error.
void drop_message(xentoollog_logger*, xentoollog_level, int, const char*, const char*, va_list) {}
void drop_progress(xentoollog_logger*, const char*, const char*, int, unsigned long,
                   unsigned long) {}
void keep(xentoollog_logger*) {}
xentoollog_logger silent{drop_message, drop_progress, keep};

// libxc can set what the trace buffers do, but has no function that reads the event mask back.
Result<xen_sysctl_tbuf_op> tbuf_op(xc_interface* xc, std::uint32_t command, const char* what,
                                   std::uint32_t event_mask = 0, std::uint32_t pages = 0) {
    xen_sysctl sysctl{};
    sysctl.cmd = XEN_SYSCTL_tbuf_op;
    sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    sysctl.u.tbuf_op.cmd = command;
    sysctl.u.tbuf_op.evt_mask = event_mask;
    sysctl.u.tbuf_op.size = pages;
    if (xc_sysctl(xc, &sysctl) == 0) return sysctl.u.tbuf_op;
    switch (errno) {
    case ENOMEM:
        return fail("cannot {}: Xen has no memory for trace buffers of {} pages a CPU; ask for "
                    "fewer pages or free some memory",
                    what, pages);
    case EACCES:
        return fail("cannot {}: the hypervisor is of another version than the Xen libraries "
                    "here; reboot into the installed Xen",
                    what);
    default:
        return fail("cannot {}: {}; run it as root in dom0", what, std::strerror(errno));
    }
}

} // namespace

struct LiveTrace::Impl {
    xc_interface* xc = nullptr;
    xenforeignmemory_handle* memory = nullptr;
    xenevtchn_handle* events = nullptr;
    int port = -1;
    std::uint32_t previous_mask = 0;
    bool mask_changed = false;
    bool tracing = false;
    std::uint64_t paused_tsc = 0;
    unsigned pages = 0;
    std::vector<void*> mapped;
    std::vector<TraceRing> rings;

    ~Impl() {
        if (auto closed = close(); !closed) BOOST_LOG_TRIVIAL(error) << closed.error().message;
    }

    Result<void> close();
    Result<void> take(const LiveOptions& options);
    Result<void> bind();
    Result<void> enable(const LiveOptions& options);
    Result<void> trace_all_cpus();
    Result<void> map(const xen_sysctl_tbuf_op& info);
    Result<void> map_ring(unsigned cpu, std::span<const std::uint32_t> frames);
};

Result<void> LiveTrace::Impl::close() {
    Result<void> result;
    const auto note = [&](auto done) {
        if (!done && result) result = tl::unexpected(done.error());
    };
    if (tracing) note(tbuf_op(xc, XEN_SYSCTL_TBUFOP_disable, "turn tracing off"));
    tracing = false;
    if (mask_changed)
        note(tbuf_op(xc, XEN_SYSCTL_TBUFOP_set_evt_mask, "put the trace event mask back",
                     previous_mask));
    mask_changed = false;
    rings.clear();
    for (void* buffer : mapped) xenforeignmemory_unmap(memory, buffer, pages);
    mapped.clear();
    if (events) xenevtchn_close(events); // unbinds the port
    if (memory) xenforeignmemory_close(memory);
    if (xc) xc_interface_close(xc);
    events = nullptr;
    memory = nullptr;
    xc = nullptr;
    return result;
}

Result<void> LiveTrace::Impl::bind() {
    events = xenevtchn_open(&silent, 0);
    if (!events)
        return fail("/dev/xen/evtchn: cannot open: {}; run it as root in dom0",
                    std::strerror(errno));
    port = xenevtchn_bind_virq(events, VIRQ_TBUF);
    if (port >= 0) return {};
    if (errno == EEXIST)
        return fail("another program has Xen's trace buffers, and only one can; stop it (is "
                    "xentrace running?), or read its output: `xentrace -e {:#x} FILE` and "
                    "`--trace FILE`",
                    scheduler_class);
    return fail("cannot bind Xen's trace interrupt (VIRQ_TBUF): {}; run it as root in dom0",
                std::strerror(errno));
}

// `xentrace -c` leaves its CPU mask behind and nobody can read it: a host of which some CPUs are
// silent would look idle, so all are asked for.
Result<void> LiveTrace::Impl::trace_all_cpus() {
    const int bytes = xc_get_cpumap_size(xc);
    const std::unique_ptr<std::uint8_t, decltype(&::free)> cpus(xc_cpumap_alloc(xc), &::free);
    if (bytes <= 0 || !cpus) return fail("cannot learn how many CPUs Xen has; run it in dom0");
    std::memset(cpus.get(), 0xff, static_cast<std::size_t>(bytes));
    if (xc_tbuf_set_cpu_mask(xc, cpus.get()) != 0)
        return fail("cannot have all CPUs traced: {}; run it as root in dom0",
                    std::strerror(errno));
    return {};
}

Result<void> LiveTrace::Impl::enable(const LiveOptions& options) {
    auto info = tbuf_op(xc, XEN_SYSCTL_TBUFOP_get_info, "read the state of Xen's trace buffers");
    if (!info) return tl::unexpected(info.error());
    previous_mask = info->evt_mask;
    TRY(trace_all_cpus());
    // The mask before the size: making the buffers turns tracing on.
    TRY(tbuf_op(xc, XEN_SYSCTL_TBUFOP_set_evt_mask, "set the trace event mask",
                options.event_mask));
    mask_changed = true;

    const bool made_here = info->buffer_mfn == 0;
    if (made_here) {
        tracing = true;
        if (auto set = tbuf_op(xc, XEN_SYSCTL_TBUFOP_set_size, "make Xen's trace buffers", 0,
                               options.pages_per_cpu);
            !set) {
            tracing = false;
            return tl::unexpected(set.error());
        }
        info = tbuf_op(xc, XEN_SYSCTL_TBUFOP_get_info, "read the state of Xen's trace buffers");
        if (!info) return tl::unexpected(info.error());
    }
    TRY(map(*info));
    if (pages != options.pages_per_cpu)
        BOOST_LOG_TRIVIAL(info) << "trace buffers have " << pages << " pages a CPU, not the "
                                << options.pages_per_cpu << " asked for: "
                                << (made_here ? "Xen allows no more on this host"
                                              : "their size can be set once a boot, and was");
    for (TraceRing& ring : rings) TRY(ring.discard());
    tracing = true;
    TRY(tbuf_op(xc, XEN_SYSCTL_TBUFOP_enable, "turn tracing on"));
    return {};
}

// struct t_info of public/trace.h: u16 pages a buffer, then for each CPU a u16 offset, in words
// from the start, of the list of the frames (u32) of its buffer; 0: the CPU has none.
Result<void> LiveTrace::Impl::map(const xen_sysctl_tbuf_op& info) {
    constexpr std::size_t max_info_pages = 1024;
    const std::size_t info_pages = info.size / page_size;
    if (info.buffer_mfn == 0 || info_pages == 0 || info_pages > max_info_pages)
        return fail("Xen has no trace buffers that can be read (frame {:#x}, {} bytes); reboot Xen",
                    info.buffer_mfn, info.size);
    std::vector<xen_pfn_t> info_frames(info_pages);
    for (std::size_t i = 0; i < info_pages; ++i) info_frames[i] = info.buffer_mfn + i;
    void* shared =
        xenforeignmemory_map(memory, DOMID_XEN, PROT_READ, info_pages, info_frames.data(), nullptr);
    if (!shared)
        return fail("cannot map Xen's list of trace buffers: {}; run it as root in dom0",
                    std::strerror(errno));
    // A copy, since what has been checked must stay what it is.
    std::vector<std::uint32_t> words(info_pages * page_size / 4);
    std::memcpy(words.data(), shared, info_pages * page_size);
    xenforeignmemory_unmap(memory, shared, info_pages);
    std::vector<std::uint16_t> halves(words.size() * 2);
    std::memcpy(halves.data(), words.data(), info_pages * page_size);

    pages = halves[0];
    xc_physinfo_t physinfo{};
    if (xc_physinfo(xc, &physinfo) != 0)
        return fail("cannot learn how many CPUs Xen has: {}", std::strerror(errno));
    const std::size_t cpus = std::size_t{physinfo.max_cpu_id} + 1;
    if (pages == 0 || cpus > max_cpus || cpus + 1 > halves.size())
        return fail("Xen's list of trace buffers makes no sense ({} pages a buffer, {} CPUs, {} "
                    "bytes); reboot Xen",
                    pages, cpus, info.size);
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        const std::size_t offset = halves[1 + cpu];
        if (offset == 0) continue; // was offline when the buffers were made
        if (offset + pages > words.size())
            return fail("Xen's list of trace buffers makes no sense (CPU {} at word {} of {}); "
                        "reboot Xen",
                        cpu, offset, words.size());
        TRY(map_ring(cpu, std::span(words).subspan(offset, pages)));
    }
    return {};
}

Result<void> LiveTrace::Impl::map_ring(unsigned cpu, std::span<const std::uint32_t> frames) {
    const std::vector<xen_pfn_t> pfns(frames.begin(), frames.end());
    void* buffer = xenforeignmemory_map(memory, DOMID_XEN, PROT_READ | PROT_WRITE, pfns.size(),
                                        pfns.data(), nullptr);
    if (!buffer)
        return fail("cannot map the trace buffer of CPU {}: {}; run it as root in dom0", cpu,
                    std::strerror(errno));
    mapped.push_back(buffer);
    rings.emplace_back(cpu, static_cast<std::byte*>(buffer), pfns.size() * page_size);
    return {};
}

Result<void> LiveTrace::Impl::take(const LiveOptions& options) {
    xc = xc_interface_open(&silent, &silent, 0);
    memory = xenforeignmemory_open(&silent, 0);
    if (!xc || !memory)
        return fail("cannot talk to Xen: {}; run it as root in dom0", std::strerror(errno));
    // First of all, because it is what shows that nobody else has the buffers.
    TRY(bind());
    return enable(options);
}

Result<void> LiveTrace::available() {
    std::ifstream file("/proc/xen/capabilities");
    std::string capabilities;
    std::getline(file, capabilities);
    if (capabilities.find("control_d") == std::string::npos)
        return fail("this is not a Xen dom0 (/proc/xen/capabilities has no control_d); run it in "
                    "dom0");
    for (const char* device : {"/dev/xen/privcmd", "/dev/xen/evtchn"})
        if (::access(device, R_OK | W_OK) != 0)
            return fail(
                "{}: {}; run it as root, with the modules xen-privcmd and xen-evtchn loaded",
                device, std::strerror(errno));
    return {};
}

LiveTrace::LiveTrace(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LiveTrace::LiveTrace(LiveTrace&&) noexcept = default;
LiveTrace& LiveTrace::operator=(LiveTrace&&) noexcept = default;
LiveTrace::~LiveTrace() = default;

Result<LiveTrace> LiveTrace::open(const LiveOptions& options) {
    if (options.pages_per_cpu == 0 || options.pages_per_cpu > 65535)
        return fail("trace buffers of {} pages a CPU are not possible; take 1 to 65535",
                    options.pages_per_cpu);
    TRY(available());
    auto impl = std::make_unique<Impl>();
    TRY(impl->take(options));
    return LiveTrace(std::move(impl));
}

Result<bool> LiveTrace::stop_left_on() {
    constexpr std::uint32_t all_events = 0x0ffff000; // TRC_ALL
    if (!available()) return false;
    Impl impl;
    impl.xc = xc_interface_open(&silent, &silent, 0);
    if (!impl.xc)
        return fail("cannot talk to Xen: {}; run it as root in dom0", std::strerror(errno));
    if (!impl.bind()) return false; // held until the end, so that nobody begins meanwhile
    impl.tracing = impl.mask_changed = true;
    impl.previous_mask = all_events;
    TRY(impl.close());
    return true;
}

Result<void> LiveTrace::drain(std::vector<std::byte>& out) {
    for (TraceRing& ring : impl_->rings) TRY(ring.drain(out));
    return {};
}

int LiveTrace::fd() const { return impl_->events ? xenevtchn_fd(impl_->events) : -1; }

Result<void> LiveTrace::acknowledge() {
    // xenevtchn_pending() blocks when nothing is pending.
    pollfd ready{fd(), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0 || (ready.revents & POLLIN) == 0) return {};
    const int pending = xenevtchn_pending(impl_->events);
    if (pending < 0 || xenevtchn_unmask(impl_->events, static_cast<evtchn_port_t>(pending)) != 0)
        return fail("/dev/xen/evtchn: cannot take the trace interrupt: {}", std::strerror(errno));
    return {};
}

Result<void> LiveTrace::pause() {
    if (!impl_->tracing) return {};
    TRY(tbuf_op(impl_->xc, XEN_SYSCTL_TBUFOP_disable, "turn tracing off"));
    impl_->tracing = false;
    impl_->paused_tsc = __rdtsc(); // after the last record, and below: before the first
    return {};
}

Result<void> LiveTrace::resume() {
    if (impl_->tracing || !impl_->xc) return {};
    const std::uint64_t resumed_tsc = __rdtsc();
    for (TraceRing& ring : impl_->rings) ring.gap(impl_->paused_tsc, resumed_tsc);
    TRY(tbuf_op(impl_->xc, XEN_SYSCTL_TBUFOP_enable, "turn tracing on"));
    impl_->tracing = true;
    return {};
}

Result<void> LiveTrace::close() { return impl_->close(); }
unsigned LiveTrace::pages_per_cpu() const { return impl_->pages; }
std::size_t LiveTrace::cpus() const { return impl_->rings.size(); }

} // namespace intellisched::trace
