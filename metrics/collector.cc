#include "metrics/collector.h"

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/text.h"

namespace postwain::metrics {

Collector::Collector(net::Loop& loop, const std::string& socket, const std::string& name,
                     std::function<void()> on_up)
    : loop_(loop),
      link_(loop, socket, ipc::Role::metrics, name,
            daemon::QmgrLink::Callbacks{
                .on_up = [on_up = std::move(on_up)](const ipc::Welcome&) { on_up(); },
                .on_down = [this](const std::string&) { give_up(); },
                .on_frame = [this](ipc::FrameType type,
                                   std::string_view payload) { return frame(type, payload); },
                .on_drained = {},
            }) {}

void Collector::collect(Done done) {
  if (!link_.up()) return done(std::nullopt);
  std::uint64_t number = ++last_;
  Asked& asked = asked_[number];
  asked.done = std::move(done);
  asked.timer = std::make_unique<net::Timer>(loop_);
  asked.timer->start(kAnswerMax, [this, number] {
    auto late = asked_.find(number);
    // The timer goes with the answer, if that still comes, or with the link.
    if (late != asked_.end() && late->second.done)
      std::exchange(late->second.done, nullptr)(std::nullopt);
  });
  link_.send(ipc::ControlRequest{number, "{}"});
}

bool Collector::frame(ipc::FrameType type, std::string_view payload) {
  ipc::ControlReply reply;
  if (type != ipc::FrameType::control_reply || !ipc::decode(payload, reply)) return false;
  auto found = asked_.find(reply.request);
  if (found == asked_.end()) return true;
  Asked asked = std::move(found->second);
  asked_.erase(found);
  if (asked.done) asked.done(with_memory(std::move(reply.json)));
  return true;
}

void Collector::give_up() {
  for (auto& [number, asked] : std::exchange(asked_, {}))
    if (asked.done) asked.done(std::nullopt);
}

namespace {

// Readable for everyone, unlike smaps_rollup.
std::optional<std::int64_t> resident_bytes(std::int64_t pid) {
  Result<std::string> statm = read_small_file(fmt::format("/proc/{}/statm", pid));
  if (!statm) return std::nullopt;
  std::vector<std::string_view> words = split(*statm, ' ');
  auto pages = words.size() > 1 ? parse_decimal<std::int64_t>(words[1]) : std::nullopt;
  if (!pages) return std::nullopt;
  return *pages * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

std::string with_memory(std::string page) {
  constexpr std::string_view kPid = "postwain_process_pid{";
  std::string memory;
  for (std::string_view line : split(page, '\n')) {
    std::size_t end = line.rfind("} ");
    if (line.substr(0, kPid.size()) != kPid || end == std::string_view::npos) continue;
    auto pid = parse_decimal<std::int64_t>(line.substr(end + 2));
    auto bytes = pid ? resident_bytes(*pid) : std::nullopt;
    if (!bytes) continue;
    memory += fmt::format("postwain_process_resident_bytes{{{}}} {}\n",
                          line.substr(kPid.size(), end - kPid.size()), *bytes);
  }
  if (!memory.empty())
    page +=
        "# HELP postwain_process_resident_bytes Memory of a process, by name.\n"
        "# TYPE postwain_process_resident_bytes gauge\n" +
        memory;
  return page;
}

}  // namespace postwain::metrics
