#include "common/dns/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/time.h>

#include <algorithm>
#include <random>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/dns/name_servers.h"
#include "common/dns/question.h"
#include "common/mail/idn.h"
#include "common/net/fd_watcher.h"

namespace postwain::dns {

namespace {

using Done = std::function<void(const Answer&)>;

struct LibraryOnce {
  LibraryOnce() { PW_CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS); }
};

// One question on its way, handed to c-ares as the callback's argument.
struct Question {
  void* parts = nullptr;
  std::string key;   // cache key: what was first asked
  std::string name;  // now, after CNAMEs
  RecordType type = RecordType::a;
  std::size_t cnames = 0;
  std::uint32_t ttl = UINT32_MAX;
  bool authentic = true;  // so far
  bool edns = true;
  Done done;
  std::vector<Done> others{};  // who asked the same meanwhile
};

std::string cache_key(std::string_view name, RecordType type) {
  return fmt::format("{} {}", static_cast<int>(type), to_lower(name));
}

// What became of a question, in words.
std::string cause_of(int status, std::string_view message) {
  constexpr unsigned kServFail = 2;
  constexpr unsigned kRefused = 5;
  unsigned rcode = message.size() > 3 ? static_cast<unsigned char>(message[3]) & 15U : 0;
  if (status == ARES_ETIMEOUT) return "no answer";
  if (status == ARES_ECONNREFUSED) return "nobody listens there, or it cannot be reached";
  if (status == ARES_ESERVFAIL || rcode == kServFail) return "SERVFAIL";
  if (status == ARES_EREFUSED || rcode == kRefused) return "REFUSED";
  if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)
    return "an answer that cannot be used";
  return ares_strerror(status);
}

// Those asked, for words.
std::string servers_text(const std::vector<std::string>& configured) {
  if (!configured.empty()) return fmt::format("{}", fmt::join(configured, ", "));
  auto text = read_small_file(kResolvConf);
  std::vector<std::string> named;
  if (text) named = name_servers_of(*text);
  if (named.empty()) return fmt::format("127.0.0.1, since {} names no server", kResolvConf);
  return fmt::format("{}", fmt::join(named, ", "));
}

Error ares_error(std::string_view what, int status) {
  return {fmt::format("{}: {}", what, ares_strerror(status)), status};
}

}  // namespace

struct Resolver::Parts {
  explicit Parts(net::Loop& l) : loop(l), timer(l) {}

  net::Loop& loop;
  net::Timer timer;
  ares_channel channel = nullptr;
  bool closing = false;
  bool trust_ad = false;
  std::string servers;        // for words
  std::random_device random;  // query ids must not be guessed
  std::unordered_map<int, std::unique_ptr<net::FdWatcher>> watchers;
  struct Cached {
    Answer answer;
    MonoTime until{};
  };
  std::unordered_map<std::string, Cached> cache;
  std::unordered_map<std::string, Question*> under_way;  // by cache key

  void ask(const std::string& name, RecordType type, Done done);
  void send(std::unique_ptr<Question> question);
  void answered(std::unique_ptr<Question> question, int status, std::string_view message);
  void keep(const std::string& key, const Answer& answer);
  void arm_timer();
  void process(int read_fd, int write_fd);

  static void on_answer(void* arg, int status, std::string_view message) noexcept;
  static void on_socket(void* data, int fd, int read, int write) noexcept;
};

void Resolver::Parts::ask(const std::string& name, RecordType type, Done done) {
  Result<std::string> ascii = mail::to_ascii(name);
  if (!ascii || !is_question_name(*ascii)) {
    Answer answer;
    answer.status = AnswerStatus::no_such_name;
    return done(answer);
  }
  std::string key = cache_key(*ascii, type);
  auto found = cache.find(key);
  if (found != cache.end() && loop.now() < found->second.until) {
    Answer copy = found->second.answer;  // done may change the cache
    return done(copy);
  }
  auto same = under_way.find(key);
  if (same != under_way.end() && same->second->others.size() < kWaitingMax) {
    same->second->others.push_back(std::move(done));
    return;
  }
  auto question = std::make_unique<Question>();
  if (same == under_way.end()) under_way.emplace(key, question.get());
  question->parts = this;
  question->key = std::move(key);
  question->name = ascii.take();
  question->type = type;
  question->done = std::move(done);
  send(std::move(question));
}

void Resolver::Parts::send(std::unique_ptr<Question> question) {
  Question* raw = question.release();  // on_answer takes it back, and is always called once
  QuestionForm form{raw->name, raw->type, static_cast<std::uint16_t>(random()), raw->edns,
                    trust_ad};
  send_question(channel, form, &Parts::on_answer, raw);
  if (!closing) arm_timer();
}

void Resolver::Parts::on_answer(void* arg, int status, std::string_view message) noexcept {
  std::unique_ptr<Question> question(static_cast<Question*>(arg));
  auto* parts = static_cast<Parts*>(question->parts);
  if (parts->closing || status == ARES_EDESTRUCTION) return;
  parts->answered(std::move(question), status, message);
}

void Resolver::Parts::answered(std::unique_ptr<Question> question, int status,
                               std::string_view message) {
  // An old server that does not know EDNS (RFC 6891 7).
  constexpr unsigned kFormErr = 1;
  if (question->edns && message.size() > 3 &&
      (static_cast<unsigned char>(message[3]) & 15U) == kFormErr) {
    question->edns = false;
    return send(std::move(question));
  }
  Answer answer;
  if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)
    answer = read_answer(message, question->name, question->type);
  if (status == ARES_EBADNAME) answer.status = AnswerStatus::no_such_name;
  question->ttl = std::min(question->ttl, answer.ttl);
  question->cnames += answer.cnames;
  question->authentic = question->authentic && answer.authentic && trust_ad;
  if (!answer.chase.empty()) {
    if (question->cnames < kCnameChainMax) {
      question->name = answer.chase;
      return send(std::move(question));
    }
    answer = Answer();
  }
  if (answer.status == AnswerStatus::temporary)
    answer.trouble = fmt::format("{}: {}", servers, cause_of(status, message));
  if (answer.canonical.empty() && question->cnames > 0) answer.canonical = question->name;
  answer.ttl = question->ttl;
  answer.authentic = question->authentic;
  keep(question->key, answer);
  auto at = under_way.find(question->key);
  if (at != under_way.end() && at->second == question.get()) under_way.erase(at);
  question->done(answer);
  for (const Done& done : question->others) done(answer);
}

void Resolver::Parts::keep(const std::string& key, const Answer& answer) {
  if (answer.status == AnswerStatus::temporary) return;
  Duration longest = answer.status == AnswerStatus::ok ? kPositiveTtlMax : kNegativeTtlMax;
  Duration ttl = std::min<Duration>(std::chrono::seconds(answer.ttl), longest);
  if (ttl <= Duration::zero()) return;
  if (cache.size() >= kCacheEntriesMax) {
    MonoTime now = loop.now();
    std::erase_if(cache, [&](const auto& entry) { return entry.second.until <= now; });
    if (cache.size() >= kCacheEntriesMax) cache.clear();
  }
  cache[key] = {answer, loop.now() + ttl};
}

void Resolver::Parts::arm_timer() {
  timeval wait{};
  if (ares_timeout(channel, nullptr, &wait) == nullptr) return timer.stop();
  Duration after = std::chrono::seconds(wait.tv_sec) + Duration(wait.tv_usec / 1000 + 1);
  timer.start(after, [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); });
}

void Resolver::Parts::process(int read_fd, int write_fd) {
  ares_process_fd(channel, read_fd, write_fd);
  arm_timer();
}

void Resolver::Parts::on_socket(void* data, int fd, int read, int write) noexcept {
  auto* parts = static_cast<Parts*>(data);
  if (read == 0 && write == 0) {
    parts->watchers.erase(fd);
    return;
  }
  auto& watcher = parts->watchers[fd];
  if (!watcher)
    watcher = std::make_unique<net::FdWatcher>(parts->loop, fd, [parts, fd](bool in, bool out) {
      parts->process(in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
    });
  watcher->watch(read != 0, write != 0);
}

Resolver::Resolver(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<Resolver>> Resolver::create(net::Loop& loop,
                                                   const std::vector<std::string>& servers,
                                                   bool trust_ad) {
  static LibraryOnce library;
  auto parts = std::make_unique<Parts>(loop);
  parts->trust_ad = trust_ad;
  parts->servers = servers_text(servers);
  ares_options options{};
  options.timeout = static_cast<int>(kQueryTimeout.count());
  options.tries = kQueryTries;
  options.flags = ARES_FLAG_EDNS;
  options.ednspsz = kUdpMax;
  options.sock_state_cb = &Parts::on_socket;
  options.sock_state_cb_data = parts.get();
  int set = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_FLAGS |
            ARES_OPT_EDNSPSZ | set_newer_options(options);
  int status = ares_init_options(&parts->channel, &options, set);
  if (status != ARES_SUCCESS) return ares_error("cannot set up the DNS resolver", status);
  std::unique_ptr<Resolver> resolver(new Resolver(std::move(parts)));
  if (!servers.empty()) {
    std::string list = fmt::format("{}", fmt::join(servers, ","));
    status = ares_set_servers_ports_csv(resolver->parts_->channel, list.c_str());
    if (status != ARES_SUCCESS) return ares_error("dns.servers " + list, status);
  }
  return resolver;
}

Resolver::~Resolver() {
  parts_->closing = true;
  if (parts_->channel != nullptr) ares_destroy(parts_->channel);
}

void Resolver::lookup_mx(const std::string& name, std::function<void(const MxAnswer&)> done) {
  parts_->ask(name, RecordType::mx, [done = std::move(done)](const Answer& answer) {
    done(MxAnswer{answer.status, answer.mx, answer.authentic, answer.trouble});
  });
}

void Resolver::lookup_ipv4(const std::string& name,
                           std::function<void(const AddressAnswer&)> done) {
  parts_->ask(name, RecordType::a, [done = std::move(done)](const Answer& answer) {
    done(AddressAnswer{answer.status, answer.addresses, answer.authentic, answer.canonical,
                       answer.trouble});
  });
}

void Resolver::lookup_tlsa(const std::string& name, std::function<void(const TlsaAnswer&)> done) {
  parts_->ask(name, RecordType::tlsa, [done = std::move(done)](const Answer& answer) {
    done(TlsaAnswer{answer.status, answer.tlsa, answer.authentic});
  });
}

void Resolver::lookup_text(const std::string& name, std::function<void(const TextAnswer&)> done) {
  parts_->ask(name, RecordType::txt, [done = std::move(done)](const Answer& answer) {
    done(TextAnswer{answer.status, answer.texts});
  });
}

void Resolver::lookup_names(const std::string& address,
                            std::function<void(const NameAnswer&)> done) {
  parts_->ask(reverse_name(address), RecordType::ptr, [done = std::move(done)](const Answer& a) {
    done(NameAnswer{a.status, a.names});
  });
}

bool Resolver::trusts_ad() const {
  return parts_->trust_ad;
}

namespace {

// The answers for the two families become one. An address of either is success; else a failure of
// either leaves the whole undecided.
AddressAnswer combine(const Answer& v6, const Answer& v4) {
  AddressAnswer out;
  out.authentic = (v6.addresses.empty() || v6.authentic) &&
                  (v4.addresses.empty() || v4.authentic) &&
                  !(v6.addresses.empty() && v4.addresses.empty());
  out.trouble = v4.trouble.empty() ? v6.trouble : v4.trouble;
  out.canonical = v4.addresses.empty() ? v6.canonical : v4.canonical;
  out.addresses = v6.addresses;
  out.addresses.insert(out.addresses.end(), v4.addresses.begin(), v4.addresses.end());
  if (out.addresses.size() > kAddressesMax) out.addresses.resize(kAddressesMax);
  if (!out.addresses.empty())
    out.status = AnswerStatus::ok;
  else if (v6.status == AnswerStatus::temporary || v4.status == AnswerStatus::temporary)
    out.status = AnswerStatus::temporary;
  else if (v6.status == AnswerStatus::no_such_name && v4.status == AnswerStatus::no_such_name)
    out.status = AnswerStatus::no_such_name;
  else
    out.status = AnswerStatus::no_data;
  return out;
}

std::vector<std::string> in_hosts_file(ares_channel channel, const std::string& name) {
  std::vector<std::string> out;
  for (int family : {AF_INET6, AF_INET}) {
    hostent* host = nullptr;
    if (ares_gethostbyname_file(channel, name.c_str(), family, &host) != ARES_SUCCESS) continue;
    for (char** p = host->h_addr_list; *p != nullptr && out.size() < kAddressesMax; ++p) {
      char text[INET6_ADDRSTRLEN];
      if (host->h_addrtype == family && inet_ntop(family, *p, text, sizeof text) != nullptr)
        out.emplace_back(text);
    }
    ares_free_hostent(host);
  }
  return out;
}

}  // namespace

void Resolver::lookup_addresses(const std::string& name,
                                std::function<void(const AddressAnswer&)> done) {
  struct Both {
    std::optional<Answer> v6;
    std::optional<Answer> v4;
    std::function<void(const AddressAnswer&)> done;
  };
  auto both = std::make_shared<Both>();
  both->done = std::move(done);
  auto finish = [both] {
    if (both->v6 && both->v4) both->done(combine(*both->v6, *both->v4));
  };
  parts_->ask(name, RecordType::aaaa, [both, finish](const Answer& answer) {
    both->v6 = answer;
    finish();
  });
  parts_->ask(name, RecordType::a, [both, finish](const Answer& answer) {
    both->v4 = answer;
    finish();
  });
}

void Resolver::lookup_host(const std::string& name,
                           std::function<void(const AddressAnswer&)> done) {
  AddressAnswer answer;
  answer.addresses = in_hosts_file(parts_->channel, name);
  if (answer.addresses.empty() && iequals(name, "localhost"))
    answer.addresses = {"::1", "127.0.0.1"};
  if (answer.addresses.empty()) return lookup_addresses(name, std::move(done));
  answer.status = AnswerStatus::ok;
  done(answer);
}

}  // namespace postwain::dns
