#include "postwain/supervisor/troubles.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/log/log.h"

namespace postwain::tool {

namespace {

std::string joined_lines(const PrintedLines& said) {
  std::string out;
  for (const std::string& text : said.last()) out += (out.empty() ? "" : " | ") + text;
  return out;
}

}  // namespace

void Troubles::add(const Child& child, int wait_status, const Child::Death& death) {
  EndCause end = cause_of_end(wait_status, child.said());
  std::string how = how_it_ended(wait_status);
  std::string said = joined_lines(child.said());
  log::Line line(log::Level::error, death.never_ready ? "does_not_start" : "keeps_ending");
  line.kv("process", child.name());
  line.kv("times", death.never_ready ? FailedStarts::kReported : Relapses::kReported);
  if (!death.never_ready) line.kv("within", format_duration(Relapses::kWithin));
  line.kv("how", how);
  if (!end.cause.empty()) line.kv("cause", end.cause);
  if (!said.empty()) line.kv("said", said);
  if (!end.advice.empty()) line.kv("advice", end.advice);
  std::string text =
      death.never_ready
          ? fmt::format("{} does not start: {}", child.name(), how)
          : fmt::format("{} keeps ending ({} times within {}), last with {}", child.name(),
                        Relapses::kReported, format_duration(Relapses::kWithin), how);
  if (!end.cause.empty()) text += ": " + end.cause;
  if (!end.advice.empty()) text += "; " + end.advice;
  of_[child.name()] = {std::move(text), death.never_ready};
}

bool Troubles::remove_ended(const std::vector<std::unique_ptr<Child>>& children) {
  return std::erase_if(of_, [&](const auto& entry) {
           auto child = std::find_if(children.begin(), children.end(),
                                     [&](const auto& one) { return one->name() == entry.first; });
           if (child == children.end()) return true;
           return entry.second.until_ready ? (*child)->ready() : (*child)->calm();
         }) > 0;
}

std::vector<std::string> Troubles::texts() const {
  std::vector<std::string> out;
  for (const auto& [name, one] : of_) out.push_back(one.text);
  return out;
}

}  // namespace postwain::tool
