// What the load tools share: options, addresses, sockets, one clock. The tools talk epoll
// themselves instead of using common/net, so that they stay cheaper than what they measure and a
// fault of common/net cannot hide behind the same fault in the instrument. Not part of the product.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"

namespace postwain::bench {

// "--name value" and "--flag" options after the program's name; anything else is a positional word.
// A tool that is called wrongly says so and ends with 64.
class Options {
 public:
  // known: every option that takes a value; flags: every option that takes none.
  Options(int argc, char** argv, std::vector<std::string> known, std::vector<std::string> flags,
          std::string usage);

  bool has(const std::string& name) const { return values_.count(name) != 0; }
  std::string text(const std::string& name, const std::string& otherwise) const;
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const;
  const std::vector<std::string>& words() const { return words_; }
  [[noreturn]] void fail(const std::string& why) const;

 private:
  std::map<std::string, std::string> values_;
  std::vector<std::string> words_;
  std::string usage_;
};

// "127.0.0.1:2525", "[::1]:2525" or "unix:/path", ready for socket calls.
struct Endpoint {
  alignas(8) unsigned char bytes[128] = {};
  unsigned length = 0;
  int family = 0;
};

// Ends the tool with status 64 when the text is no endpoint.
Endpoint parse_endpoint(const std::string& text);

// A non-blocking connect that has been started; an invalid descriptor when it failed at once.
UniqueFd start_connect(const Endpoint& endpoint);
// A non-blocking listener with a backlog of 4096; ends the tool when the address is taken.
UniqueFd listen_on(const Endpoint& endpoint);

// TCP_NODELAY for a connection; without it a reply may wait for the peer's delayed ACK.
void set_no_delay(int fd);
// Asks for an immediate ACK of what was just read. The kernel forgets it, so each read asks again.
void set_quick_ack(int fd);

// CLOCK_MONOTONIC, which all processes of a machine share: source and sink are compared by it.
std::int64_t now_ns();

class Epoll {
 public:
  Epoll();
  // owner comes back in epoll_event::data.ptr.
  void add(int fd, std::uint32_t events, void* owner);
  void change(int fd, std::uint32_t events, void* owner);
  // Waits at most timeout_ms (-1: for ever) and fills events; returns how many.
  int wait(std::vector<epoll_event>& events, int timeout_ms);

 private:
  UniqueFd fd_;
};

}  // namespace postwain::bench
