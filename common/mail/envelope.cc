#include "common/mail/envelope.h"

#include <utility>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

constexpr std::pair<std::uint8_t, std::string_view> kNotifyWords[] = {{Notify::never, "NEVER"},
                                                                      {Notify::success, "SUCCESS"},
                                                                      {Notify::failure, "FAILURE"},
                                                                      {Notify::delay, "DELAY"}};

}  // namespace

std::string_view name_of(BodyType body) {
  constexpr std::string_view kNames[] = {"7BIT", "8BITMIME", "BINARYMIME"};
  return kNames[static_cast<std::size_t>(body)];
}

std::string_view name_of(DsnReturn ret) {
  constexpr std::string_view kNames[] = {"", "FULL", "HDRS"};
  return kNames[static_cast<std::size_t>(ret)];
}

std::string_view name_of(Signing signing) {
  constexpr std::string_view kNames[] = {"", "dkim", "arc"};
  return kNames[static_cast<std::size_t>(signing)];
}

std::string Notify::text() const {
  std::string out;
  for (const auto& [bit, word] : kNotifyWords)
    if ((bits & bit) != 0) (out += out.empty() ? "" : ",") += word;
  return out;
}

std::optional<Notify> Notify::parse(std::string_view text) {
  Notify notify;
  if (text.empty()) return notify;
  for (std::string_view one : split(text, ',')) {
    std::uint8_t found = 0;
    for (const auto& [bit, word] : kNotifyWords)
      if (one == word) found = bit;
    if (found == 0) return std::nullopt;
    notify.bits |= found;
  }
  return notify;
}

}  // namespace postwain::mail
