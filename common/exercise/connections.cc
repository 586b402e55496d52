#include <memory>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/exercise/exercises.h"
#include "common/exercise/helper.h"
#include "common/net/stream.h"

namespace postwain::exercise {

namespace {

using Work = std::function<Status()>;

// Says hello and waits for the answer; what came of it is seen at the other end.
void greet(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  char answer = 0;
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 &&
      write_all(fd.get(), "hello").ok())
    (void)!::read(fd.get(), &answer, 1);
}

// Answers each byte that comes with the same, once.
void answer_one(int listener) {
  UniqueFd fd(::accept(listener, nullptr, nullptr));
  char bytes[16];
  ssize_t got = ::read(fd.get(), bytes, sizeof bytes);
  if (got > 0) (void)write_all(fd.get(), std::string_view(bytes, static_cast<std::size_t>(got)));
  (void)!::read(fd.get(), bytes, sizeof bytes);  // until it closes
}

struct Conversation {
  net::Loop loop;
  net::Stream stream;
  std::string heard;
  bool failed = false;

  net::Stream::Callbacks until_bytes_come() {
    return {.on_data =
                [this](std::string_view bytes) {
                  heard = bytes;
                  stream.write("!");
                  loop.stop();
                },
            .on_end = [this] { loop.stop(); },
            .on_error = [this](const Error&) { loop.stop(); }};
  }
  Status outcome(const char* what) {
    bool in_time = run_for_a_while(loop);
    stream.reset();
    return in_time && heard == "hello" ? Status() : Error{what, 0};
  }
};

Work accepting() {
  auto at = open_loopback(SOCK_STREAM);
  if (!at) return [error = at.error()] { return Status(error); };
  if (Status started = start_helper([&] { greet(at->port); }); !started)
    return [started] { return started; };
  auto talk = std::make_shared<Conversation>();
  auto listener = std::make_shared<net::Listener>(talk->loop, at->fd.release(),
                                                  [talk = talk.get()](net::Stream stream) {
                                                    talk->stream = std::move(stream);
                                                    talk->stream.start(talk->until_bytes_come());
                                                  });
  return [talk, listener]() mutable {
    Status status = talk->outcome("no connection comes in");
    listener.reset();
    return status;
  };
}

Work connecting() {
  auto at = open_loopback(SOCK_STREAM);
  if (!at) return [error = at.error()] { return Status(error); };
  if (Status started = start_helper([&] { answer_one(at->fd.get()); }); !started)
    return [started] { return started; };
  auto talk = std::make_shared<Conversation>();
  return [talk, port = at->port] {
    talk->stream = net::Stream::connect(talk->loop, {"127.0.0.1", port, {}}, "", [&](Status done) {
      if (!done) return talk->loop.stop();
      talk->stream.start(talk->until_bytes_come());
      talk->stream.write("hello");
    });
    return talk->outcome("a connection to loopback cannot be used");
  };
}

}  // namespace

daemon::Exercise accepts() {
  return {"accepts", "a connection that comes in",
          [](const config::Config&) { return accepting(); }};
}

daemon::Exercise connects() {
  return {"connects", "a connection outward", [](const config::Config&) { return connecting(); }};
}

}  // namespace postwain::exercise
