#include "filter/deciding/telling/result_macros.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "common/ipc/told_macros.h"

namespace postwain::filter {

using authentication::MethodResult;
using ipc::ToldMacro;

namespace {

// The best word where any of the results says it, else the first one; empty: there is none.
std::string result_word(const std::vector<MethodResult>& results, std::string_view method,
                        std::string_view best) {
  std::string first;
  for (const MethodResult& one : results) {
    if (one.method != method) continue;
    if (one.result == best) return one.result;
    if (first.empty()) first = one.result;
  }
  return first;
}

// Each line end goes; the white space behind it stays.
std::string unfolded_value(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return c != '\r' && c != '\n'; });
  return out;
}

}  // namespace

std::vector<ipc::FilterMacro> result_macros(const std::vector<MethodResult>& results,
                                            std::string_view field_value) {
  std::vector<ipc::FilterMacro> out;
  auto add = [&](ToldMacro macro, std::string value) {
    if (!value.empty()) out.push_back({std::string(name_of(macro)), std::move(value)});
  };
  add(ToldMacro::spf_result, result_word(results, "spf", {}));
  add(ToldMacro::dkim_result, result_word(results, "dkim", "pass"));
  add(ToldMacro::dmarc_result, result_word(results, "dmarc", {}));
  add(ToldMacro::arc_result, result_word(results, "arc", {}));
  if (field_value.size() <= kResultsMacroMax)
    add(ToldMacro::auth_authres, unfolded_value(field_value));
  return out;
}

}  // namespace postwain::filter
