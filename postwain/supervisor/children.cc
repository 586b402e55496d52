#include "postwain/supervisor/children.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "postwain/supervisor/duties.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kRetiringMax = 64;  // smtpd processes that only finish their sessions

}  // namespace

void Children::add(Kind kind, std::uint32_t number) {
  std::string name =
      is_single(kind) ? std::string(name_of(kind)) : fmt::format("{}[{}]", name_of(kind), number);
  present_.push_back(
      std::make_unique<Child>(loop_, kind, std::move(name), make_launch_spec_, callbacks_));
  present_.back()->start();
}

Children::List Children::take_out(Which which) {
  List out;
  for (auto& child : present_)
    if (which(child->kind())) out.push_back(std::move(child));
  std::erase_if(present_, [](const auto& child) { return child == nullptr; });
  return out;
}

void Children::let_go(List old, const config::Config& config) {
  for (Kind kind : kServingOthers)
    if (!is_wanted(kind, config)) stop_relieved(kind);
  for (auto& child : old) {
    if (child->kind() == Kind::smtpd)
      child->retire();
    else if (serves_others(child->kind()) && is_wanted(child->kind(), config) && child->ready())
      child->relieve();
    else
      child->stop();
    if (child->pid() != 0) retired_.push_back(std::move(child));
  }
  auto retiring = static_cast<std::size_t>(std::count_if(
      retired_.begin(), retired_.end(), [](const auto& child) { return child->retiring(); }));
  for (auto& child : retired_) {
    if (retiring <= kRetiringMax) break;
    if (!child->retiring()) continue;
    child->stop();
    --retiring;
  }
}

void Children::stop_relieved(Kind kind) {
  for (auto& child : retired_)
    if (child->kind() == kind && child->relieved()) child->stop();
}

void Children::stop(Which which) {
  for (auto& child : present_)
    if (which(child->kind())) child->stop();
}

void Children::stop_retiring() {
  for (auto& child : retired_)
    if (child->retiring()) child->stop();
}

void Children::kill_all() {
  for (auto* group : {&present_, &retired_})
    for (auto& child : *group) child->kill();
}

Child* Children::find(pid_t pid) const {
  for (const auto* group : {&present_, &retired_})
    for (const auto& child : *group)
      if (child->pid() == pid) return child.get();
  return nullptr;
}

void Children::forget_ended() {
  std::erase_if(retired_, [](const auto& child) { return child->pid() == 0; });
}

bool Children::all_gone(Which which) const {
  for (const auto* group : {&present_, &retired_})
    for (const auto& child : *group)
      if (child->pid() != 0 && which(child->kind())) return false;
  return true;
}

bool Children::all_ready() const {
  return std::all_of(present_.begin(), present_.end(), [](const auto& child) {
    return child->ready() || is_beside_the_way(child->kind());
  });
}

bool Children::is_ready(Kind kind) const {
  auto found = std::find_if(present_.begin(), present_.end(),
                            [kind](const auto& child) { return child->kind() == kind; });
  return found != present_.end() && (*found)->ready();
}

std::vector<ProcessInfo> Children::processes() const {
  std::vector<ProcessInfo> out;
  for (const auto* group : {&retired_, &present_})
    for (const auto& child : *group)
      if (child->pid() != 0) out.push_back({child->name(), child->pid()});
  return out;
}

}  // namespace postwain::tool
