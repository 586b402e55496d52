#include "metrics/http_server.h"

#include <microhttpd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <unordered_set>

namespace postwain::metrics {

namespace {

constexpr Duration kTimeoutsEvery = std::chrono::seconds(1);

// One request on its way.
struct Exchange {
  MHD_Connection* connection = nullptr;
  std::optional<Answer> answer;
  bool suspended = false;  // libmicrohttpd leaves it alone until the answer is there
  bool gone = false;
};
using ExchangePtr = std::shared_ptr<Exchange>;

MHD_Result send(MHD_Connection* connection, const Answer& answer) {
  MHD_Response* response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, "Content-Type", answer.content_type.c_str());
  MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace

struct HttpServer::Parts {
  Parts(net::Loop& l, Handler h) : handler(std::move(h)), timeouts(l) {}
  ~Parts();

  MHD_Result serve(MHD_Connection* connection, const char* path, const char* method,
                   ExchangePtr& exchange);
  void answered(const ExchangePtr& exchange, Answer answer);
  void run();

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* path,
                               const char* method, const char* version, const char* upload,
                               std::size_t* upload_size, void** state);
  static void on_completed(void* self, MHD_Connection* connection, void** state,
                           MHD_RequestTerminationCode how);

  Handler handler;
  net::Timer timeouts;
  MHD_Daemon* daemon = nullptr;
  std::unique_ptr<net::FdWatcher> watcher;
  std::unordered_set<ExchangePtr> waiting;
};

MHD_Result HttpServer::Parts::serve(MHD_Connection* connection, const char* path,
                                    const char* method, ExchangePtr& exchange) {
  if (exchange->answer) return send(connection, *exchange->answer);
  if (std::strcmp(method, "GET") != 0)
    return send(connection, {405, "text/plain; charset=utf-8", "GET only\n"});
  exchange->connection = connection;
  handler(path, [this, exchange](Answer answer) { answered(exchange, std::move(answer)); });
  if (exchange->answer) return send(connection, *exchange->answer);
  exchange->suspended = true;
  waiting.insert(exchange);
  MHD_suspend_connection(connection);
  return MHD_YES;
}

void HttpServer::Parts::answered(const ExchangePtr& exchange, Answer answer) {
  if (exchange->gone || exchange->answer) return;
  exchange->answer = std::move(answer);
  if (!std::exchange(exchange->suspended, false)) return;  // inside serve()
  waiting.erase(exchange);
  MHD_resume_connection(exchange->connection);
  run();
}

void HttpServer::Parts::run() {
  MHD_run(daemon);
}

// The first call is for the header section alone; the second may answer.
MHD_Result HttpServer::Parts::on_request(void* self, MHD_Connection* connection, const char* path,
                                         const char* method, const char*, const char*,
                                         std::size_t* upload_size, void** state) {
  if (*state == nullptr) {
    *state = new ExchangePtr(std::make_shared<Exchange>());
    return MHD_YES;
  }
  if (std::exchange(*upload_size, 0) != 0) return MHD_YES;  // a body, which interests nobody
  return static_cast<Parts*>(self)->serve(connection, path, method,
                                          *static_cast<ExchangePtr*>(*state));
}

void HttpServer::Parts::on_completed(void* self, MHD_Connection*, void** state,
                                     MHD_RequestTerminationCode) {
  auto* exchange = static_cast<ExchangePtr*>(*state);
  if (exchange == nullptr) return;
  (*exchange)->gone = true;
  static_cast<Parts*>(self)->waiting.erase(*exchange);
  delete exchange;
  *state = nullptr;
}

HttpServer::Parts::~Parts() {
  if (daemon == nullptr) return;
  watcher.reset();
  // It does not stop while one is suspended.
  for (const ExchangePtr& exchange : waiting) {
    exchange->answer = Answer{503, "text/plain; charset=utf-8", "stopping\n"};
    MHD_resume_connection(exchange->connection);
  }
  waiting.clear();
  MHD_run(daemon);
  MHD_stop_daemon(daemon);
}

HttpServer::HttpServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::create(net::Loop& loop, int fd, Handler handler) {
  auto parts = std::make_unique<Parts>(loop, std::move(handler));
  parts->daemon = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr, &Parts::on_request,
      parts.get(), MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, kHttpConnectionsMax,
      MHD_OPTION_CONNECTION_TIMEOUT, kHttpTimeoutSeconds, MHD_OPTION_NOTIFY_COMPLETED,
      &Parts::on_completed, parts.get(), MHD_OPTION_END);
  if (parts->daemon == nullptr) return Error{"the HTTP server does not start", EINVAL};
  const MHD_DaemonInfo* info = MHD_get_daemon_info(parts->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == nullptr || info->epoll_fd < 0) return Error{"the HTTP server has no epoll", EINVAL};
  Parts* raw = parts.get();
  parts->watcher =
      std::make_unique<net::FdWatcher>(loop, info->epoll_fd, [raw](bool, bool) { raw->run(); });
  parts->watcher->watch(true, false);
  parts->timeouts.repeat(kTimeoutsEvery, [raw] { raw->run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(parts)));
}

}  // namespace postwain::metrics
