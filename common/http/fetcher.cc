#include "common/http/fetcher.h"

#include <cstdlib>
#include <unordered_map>

#include <curl/curl.h>
#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/net/fd_watcher.h"

namespace postwain::http {

namespace {

constexpr const char* kSystemTrust = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t kTrustMax = 8U << 20;

static_assert(kUntrusted == CURLE_PEER_FAILED_VERIFICATION);

struct GlobalOnce {
  GlobalOnce() { PW_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); }
};

struct Transfer {
  Request request;
  std::function<void(Result<std::string>)> done;
  CURL* easy = nullptr;
  curl_slist* resolve = nullptr;
  curl_slist* fields = nullptr;
  std::string text;
  bool too_large = false;
  char reason[CURL_ERROR_SIZE] = {};

  ~Transfer() {
    if (easy != nullptr) curl_easy_cleanup(easy);
    curl_slist_free_all(resolve);
    curl_slist_free_all(fields);
  }
};

std::size_t take_text(char* data, std::size_t size, std::size_t count, void* arg) noexcept {
  auto* transfer = static_cast<Transfer*>(arg);
  std::size_t bytes = size * count;
  transfer->too_large = transfer->text.size() + bytes > transfer->request.size_max;
  if (transfer->too_large) return 0;
  transfer->text.append(data, bytes);
  return bytes;
}

// "host:port:address,address" (CURLOPT_RESOLVE).
std::string resolved(const Request& request) {
  std::string list;
  for (const std::string& address : request.addresses) {
    if (!list.empty()) list += ',';
    list += address.find(':') != std::string::npos ? "[" + address + "]" : address;
  }
  return fmt::format("{}:{}:{}", request.host, request.port, list);
}

class CurlFetcher final : public Fetcher {
 public:
  CurlFetcher(net::Loop& loop, Result<std::string> trust)
      : loop_(loop), trust_(std::move(trust)), timer_(loop), multi_(curl_multi_init()) {
    PW_CHECK(multi_ != nullptr);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlFetcher::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlFetcher::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }

  ~CurlFetcher() override {
    loop_.forget_turn_end(this);
    for (auto& [easy, transfer] : transfers_) curl_multi_remove_handle(multi_, easy);
    transfers_.clear();
    curl_multi_cleanup(multi_);
  }
  CurlFetcher(const CurlFetcher&) = delete;
  CurlFetcher& operator=(const CurlFetcher&) = delete;

  void fetch(Request request, std::function<void(Result<std::string>)> done) override {
    auto transfer = std::make_unique<Transfer>();
    transfer->request = std::move(request);
    transfer->done = std::move(done);
    if (!trust_ || transfers_.size() >= kFetchesMax || transfer->request.addresses.empty()) {
      refused_.push_back(std::move(transfer));
      return loop_.at_turn_end(this, [this] { refuse(); });
    }
    begin(std::move(transfer));
  }

 private:
  void begin(std::unique_ptr<Transfer> transfer) {
    CURL* easy = curl_easy_init();
    PW_CHECK(easy != nullptr);
    transfer->easy = easy;
    const Request& r = transfer->request;
    transfer->resolve = curl_slist_append(nullptr, resolved(r).c_str());
    std::string url = fmt::format("https://{}:{}{}", r.host, r.port, r.path);
    curl_blob trust{trust_->data(), trust_->size(), CURL_BLOB_NOCOPY};
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, transfer->resolve);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &trust);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(kFetchMax.count()));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Postwain");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_text);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
    if (!r.body.empty()) post(*transfer);
    transfers_.emplace(easy, std::move(transfer));
    PW_CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
  }

  static void post(Transfer& transfer) {
    const Request& r = transfer.request;
    transfer.fields = curl_slist_append(nullptr, ("Content-Type: " + r.body_type).c_str());
    transfer.fields = curl_slist_append(transfer.fields, "Expect:");  // no wait for a 100
    curl_easy_setopt(transfer.easy, CURLOPT_HTTPHEADER, transfer.fields);
    curl_easy_setopt(transfer.easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(r.body.size()));
    curl_easy_setopt(transfer.easy, CURLOPT_POSTFIELDS, r.body.data());  // not copied
  }

  void refuse() {
    for (auto& transfer : std::exchange(refused_, {}))
      transfer->done(!trust_                               ? trust_.error()
                     : transfer->request.addresses.empty() ? Error{"its host has no address"}
                                                           : Error{"too many fetches at once"});
  }

  void act(curl_socket_t socket, int events) {
    int running = 0;
    curl_multi_socket_action(multi_, socket, events, &running);
    finish();
  }

  void finish() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      CURLcode code = message->data.result;
      auto found = transfers_.find(easy);
      PW_CHECK(found != transfers_.end());
      std::unique_ptr<Transfer> transfer = std::move(found->second);
      transfers_.erase(found);
      curl_multi_remove_handle(multi_, easy);
      transfer->done(result_of(*transfer, code));
    }
  }

  static Result<std::string> result_of(Transfer& transfer, CURLcode code) {
    if (transfer.too_large) return Error{"the answer is too large"};
    if (code != CURLE_OK) {
      std::string why = transfer.reason[0] != '\0' ? transfer.reason : curl_easy_strerror(code);
      return Error{printable(why, 200), static_cast<int>(code)};
    }
    long status = 0;
    char* type = nullptr;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer.easy, CURLINFO_CONTENT_TYPE, &type);
    bool posted = !transfer.request.body.empty();
    if (posted && status >= 200 && status < 300) return std::move(transfer.text);
    if (status != 200) return Error{fmt::format("HTTP status {}", status)};
    std::string_view kind = type != nullptr ? type : "";
    kind = trim(kind.substr(0, kind.find(';')));
    if (!iequals(kind, transfer.request.content_type))
      return Error{fmt::format("the answer is '{}', not {}", printable(kind, 60),
                               transfer.request.content_type)};
    return std::move(transfer.text);
  }

  static int on_socket(CURL*, curl_socket_t socket, int what, void* arg, void*) noexcept {
    auto* self = static_cast<CurlFetcher*>(arg);
    if (what == CURL_POLL_REMOVE) {
      self->watchers_.erase(socket);
      return 0;
    }
    auto& watcher = self->watchers_[socket];
    if (!watcher)
      watcher =
          std::make_unique<net::FdWatcher>(self->loop_, socket, [self, socket](bool in, bool out) {
            self->act(socket, (in ? CURL_CSELECT_IN : 0) | (out ? CURL_CSELECT_OUT : 0));
          });
    watcher->watch((what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0);
    return 0;
  }

  // Never acts at once: curl calls this from within.
  static int on_timer(CURLM*, long after, void* arg) noexcept {
    auto* self = static_cast<CurlFetcher*>(arg);
    if (after < 0)
      self->timer_.stop();
    else
      self->timer_.start(Duration(after), [self] { self->act(CURL_SOCKET_TIMEOUT, 0); });
    return 0;
  }

  net::Loop& loop_;
  Result<std::string> trust_;
  net::Timer timer_;
  CURLM* multi_;
  std::unordered_map<curl_socket_t, std::unique_ptr<net::FdWatcher>> watchers_;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> transfers_;
  std::vector<std::unique_ptr<Transfer>> refused_;
};

}  // namespace

std::unique_ptr<Fetcher> new_fetcher(net::Loop& loop) {
  static GlobalOnce once;
  const char* named = std::getenv("SSL_CERT_FILE");
  const char* path = named != nullptr && *named != '\0' ? named : kSystemTrust;
  return std::make_unique<CurlFetcher>(loop, read_small_file(path, kTrustMax));
}

}  // namespace postwain::http
