// Macros: what a filter is told of the server, the client and the message beside each event. Names
// are Sendmail's; those of more than one letter are sent in braces. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/milter/protocol.h"

namespace postwain::milter {

// A filter that asks for more names at a stage gets none beyond.
constexpr std::size_t kMacroNamesMax = 100;

// The values known so far, by name without braces. One that is set again has the new value.
class Macros {
 public:
  // An empty value takes the macro away: a macro without value is not sent.
  void set(std::string_view name, std::string value);
  std::string_view get(std::string_view name) const;  // empty: not known

 private:
  struct Entry {
    std::string name;
    std::string value;
  };
  std::vector<Entry> entries_;
};

// The names sent at a stage unless the filter asks for its own; those that the filters of Debian 12
// rely on, taken together. Empty where macros belong to no stage (header, body, unknown).
std::span<const std::string_view> default_macros(Stage stage);

// The names a filter asked for, by stage (SMFIF_SETSYMLIST). A list replaces the default of its
// stage; an empty list means none.
class MacroLists {
 public:
  // index: of the protocol (0 connect … 6 end of header). False: there is no such stage.
  bool set(std::uint32_t index, std::string_view names);
  // Calls each(name) for what is sent at that stage.
  template <class Each>
  void for_each(Stage stage, Each each) const {
    const auto& asked = lists_[static_cast<std::size_t>(stage)];
    if (asked)
      for (const std::string& name : *asked) each(std::string_view(name));
    else
      for (std::string_view name : default_macros(stage)) each(name);
  }
  // What it asked for there; nothing: it left it to us.
  const std::optional<std::vector<std::string>>& asked(Stage stage) const {
    return lists_[static_cast<std::size_t>(stage)];
  }

 private:
  std::array<std::optional<std::vector<std::string>>, kStages> lists_;
};

// Appends the packet with the macros of a stage, if it would have any.
void append_macros(std::string& out, Stage stage, const MacroLists& lists, const Macros& macros);

}  // namespace postwain::milter
