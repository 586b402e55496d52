#include "common/dns/resolver.h"

#include <memory>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/exercise/exercises.h"
#include "common/exercise/helper.h"

namespace postwain::exercise {

namespace {

using Work = std::function<Status()>;
constexpr const char* kName = "selftest.example";
constexpr const char* kAddress = "192.0.2.1";

// The answer to a question: an address where one is asked for, no data otherwise (RFC 1035 4.1).
std::string answer_to(std::string_view question) {
  constexpr std::size_t kHeader = 12;
  std::size_t at = kHeader;
  while (at < question.size() && question[at] != '\0')
    at += static_cast<unsigned char>(question[at]) + 1U;
  std::size_t end = at + 5;  // the final dot, type and class
  if (end > question.size()) return {};
  bool wants_address = question[at + 1] == '\0' && question[at + 2] == '\1';
  std::string out(question.substr(0, 2));
  out += std::string("\x81\x80\0\1\0", 5) + (wants_address ? '\1' : '\0');
  out += std::string(4, '\0');
  out += question.substr(kHeader, end - kHeader);
  if (wants_address) out += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", 16);
  return out;
}

void serve(int fd) {
  for (;;) {
    char question[1500];
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    auto* peer = reinterpret_cast<sockaddr*>(&from);
    ssize_t got = ::recvfrom(fd, question, sizeof question, 0, peer, &size);
    if (got < 0) return;
    std::string answer = answer_to({question, static_cast<std::size_t>(got)});
    (void)!::sendto(fd, answer.data(), answer.size(), 0, peer, size);
  }
}

struct Lookup {
  net::Loop loop;
  std::unique_ptr<dns::Resolver> resolver;
};

Work asking() {
  auto at = open_loopback(SOCK_DGRAM);
  if (!at) return [error = at.error()] { return Status(error); };
  if (Status started = start_helper([&] { serve(at->fd.get()); }); !started)
    return [started] { return started; };
  auto lookup = std::make_shared<Lookup>();
  auto resolver = dns::Resolver::create(lookup->loop, {fmt::format("127.0.0.1:{}", at->port)});
  if (!resolver) return [error = resolver.error()] { return Status(error); };
  lookup->resolver = resolver.take();
  return [lookup]() -> Status {
    dns::AddressAnswer answer;
    lookup->resolver->lookup_addresses(kName, [&](const dns::AddressAnswer& found) {
      answer = found;
      lookup->loop.stop();
    });
    run_for_a_while(lookup->loop);
    lookup->resolver.reset();
    bool right = answer.status == dns::AnswerStatus::ok &&
                 answer.addresses == std::vector<std::string>{kAddress};
    return right ? Status() : Error{"the resolver on loopback is not heard", 0};
  };
}

}  // namespace

daemon::Exercise dns() {
  return {"dns", "a question to the DNS", [](const config::Config&) { return asking(); }};
}

}  // namespace postwain::exercise
