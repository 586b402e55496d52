#include "postwain/supervisor/listener_set.h"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/log/log.h"
#include "common/net/stream.h"
#include "postwain/process/group.h"

namespace postwain::tool {

namespace {

net::Endpoint endpoint_of(const config::Listener& listener) {
  return {listener.host, listener.port, listener.unix_path};
}

Result<net::SocketRights> rights_of(const config::Listener& listener) {
  net::SocketRights rights{listener.unix_mode, {}};
  if (listener.unix_group.empty()) return rights;
  Result<gid_t> found = group_id(listener.unix_group);
  if (!found) return Error{listener.name() + ": " + found.error().text, found.error().code};
  rights.group = *found;
  return rights;
}

// Whether the machine has the address at this moment: asked of the kernel.
bool is_here(const config::Listener& listener) {
  if (!listener.unix_path.empty()) return true;
  bool six = listener.host.find(':') != std::string::npos;
  sockaddr_storage address{};
  socklen_t size = six ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  address.ss_family = six ? AF_INET6 : AF_INET;
  void* bytes = six ? static_cast<void*>(&reinterpret_cast<sockaddr_in6&>(address).sin6_addr)
                    : static_cast<void*>(&reinterpret_cast<sockaddr_in&>(address).sin_addr);
  if (::inet_pton(address.ss_family, listener.host.c_str(), bytes) != 1) return true;
  UniqueFd fd(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return !fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 ||
         errno != EADDRNOTAVAIL;
}

}  // namespace

ListenerSet::~ListenerSet() {
  close_all();
}

Status ListenerSet::adopt(std::vector<UniqueFd> passed,
                          const std::vector<config::Listener>& wanted) {
  for (UniqueFd& fd : passed) {
    auto at = net::bound_endpoint(fd.get());
    if (!at) return at.error();
    std::string address = at->text();
    auto same = [&address](const config::Listener& listener) {
      return net::canonical(endpoint_of(listener)).text() == address;
    };
    auto found = std::find_if(wanted.begin(), wanted.end(), same);
    if (found == wanted.end())
      return Error{"the service manager passed a socket at " + address +
                       ", which is the address of no [[listener]]",
                   EINVAL};
    passed_.insert(found->name());
    bound_[found->name()] = std::move(fd);
  }
  return {};
}

Status ListenerSet::bind(const std::vector<config::Listener>& wanted) {
  std::vector<std::string> fresh;
  for (const config::Listener& listener : wanted) {
    if (bound_.count(listener.name()) != 0) continue;
    auto rights = rights_of(listener);
    auto fd =
        rights ? net::bind_listener(endpoint_of(listener), *rights) : Result<int>(rights.error());
    if (!fd) {
      for (const std::string& name : fresh) close_one(name);
      return Error{listener.origin.text() + ": cannot listen on " + fd.error().text,
                   fd.error().code};
    }
    if (!is_here(listener))
      log::Line(log::Level::warning, "address_not_here")
          .kv("address", listener.name())
          .kv("config", listener.origin.text())
          .kv("reason", "this machine has no such address yet; connections come when it has");
    bound_[listener.name()] = UniqueFd(*fd);
    fresh.push_back(listener.name());
  }
  return {};
}

void ListenerSet::keep_only(const std::vector<config::Listener>& wanted) {
  std::vector<std::string> unwanted;
  for (const auto& [name, fd] : bound_) {
    bool keep = false;
    for (const config::Listener& listener : wanted) keep = keep || listener.name() == name;
    if (!keep) unwanted.push_back(name);
  }
  for (const std::string& name : unwanted) close_one(name);
}

void ListenerSet::close_all() {
  while (!bound_.empty()) close_one(std::string(bound_.begin()->first));
}

std::vector<int> ListenerSet::descriptors(const std::vector<config::Listener>& wanted) const {
  std::vector<int> out;
  for (const config::Listener& listener : wanted) {
    auto found = bound_.find(listener.name());
    PW_CHECK(found != bound_.end());
    out.push_back(found->second.get());
  }
  return out;
}

void ListenerSet::close_one(const std::string& name) {
  bound_.erase(name);
  constexpr std::string_view kUnix = "unix:";
  bool ours = passed_.erase(name) == 0;
  if (ours && name.compare(0, kUnix.size(), kUnix) == 0) ::unlink(name.c_str() + kUnix.size());
}

}  // namespace postwain::tool
