// The processes of `postwain run`: those that are to run, and those that were replaced and finish
// their work.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/net/loop.h"
#include "postwain/supervisor/child.h"

namespace postwain::tool {

struct ProcessInfo {
  std::string name;
  pid_t pid = 0;
};

class Children {
 public:
  using List = std::vector<std::unique_ptr<Child>>;
  using Which = bool (*)(Kind);
  Children(net::Loop& loop, Child::MakeLaunchSpec make_launch_spec, Child::Callbacks callbacks)
      : loop_(loop),
        make_launch_spec_(std::move(make_launch_spec)),
        callbacks_(std::move(callbacks)) {}

  // Starts one more.
  void add(Kind kind, std::uint32_t number);
  // They are not to run any more, but nobody has told them so: let_go() does.
  List take_out(Which which);
  // The sessions of an smtpd go on to their own end, but not in any number of processes. Who serves
  // others goes when the next one can do its work, or mail between the two would meet on_failure,
  // or wait.
  void let_go(List old, const config::Config& config);
  // Those of this kind for whom the next one has come.
  void stop_relieved(Kind kind);

  // SIGTERM to those that are to run.
  void stop(Which which);
  // The same to those that take nothing new, and finish their sessions.
  void stop_retiring();
  void kill_all();

  Child* find(pid_t pid) const;
  // The replaced ones that have ended.
  void forget_ended();
  // None of these has a process.
  bool all_gone(Which which) const;
  // Every one that mail needs can do its work.
  bool all_ready() const;
  bool is_ready(Kind kind) const;
  const List& present() const { return present_; }
  std::size_t count() const { return present_.size() + retired_.size(); }
  // The replaced ones first.
  std::vector<ProcessInfo> processes() const;

 private:
  net::Loop& loop_;
  Child::MakeLaunchSpec make_launch_spec_;
  Child::Callbacks callbacks_;
  List present_;
  List retired_;
};

}  // namespace postwain::tool
