#include "qmgr/store/cpu_pressure.h"

#include <array>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "common/base/text.h"

namespace postwain::qmgr {

CpuPressure CpuPressure::of_first_thread() {
  CpuPressure out;
  out.file_ = UniqueFd(::open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC));
  return out;
}

// "ran waited slices", the first two in ns.
unsigned CpuPressure::percent(MonoTime now) {
  if (!file_ || now - since_ < kStretch) return percent_;
  std::array<char, 100> text;
  ssize_t size = ::pread(file_.get(), text.data(), text.size(), 0);
  std::string_view rest(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  auto number = [&rest] {
    std::size_t end = std::min(rest.find(' '), rest.size());
    auto value = parse_decimal<std::uint64_t>(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return value;
  };
  auto ran = number();
  auto waited = number();
  if (!ran || !waited || *ran < ran_ || *waited < waited_) return percent_ = 0;
  std::uint64_t part = *waited - waited_;
  std::uint64_t whole = part + (*ran - ran_);
  percent_ = whole == 0 ? 0 : static_cast<unsigned>(part * 100 / whole);
  since_ = now;
  ran_ = *ran;
  waited_ = *waited;
  return percent_;
}

}  // namespace postwain::qmgr
