// What a database server says to db-link: however its octets are cut, the same reaches the client,
// nothing before TLS does, no mechanism with channel binding stands in the first request for the
// login, and what is held is bounded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "db-link/relay_engine.h"

using namespace postwain;
using namespace postwain::dblink;

namespace {

struct Told {
  std::string to_client;
  std::string failure;
  bool relayed = false;
};

// The octets of the server in pieces of this size.
Told tell(std::string_view bytes, std::size_t piece) {
  RelayEngine engine(Security::tls, "db");
  Told told;
  (void)engine.from_client("secret");
  PW_CHECK(engine.connected().to_server.size() == 8);
  // The answer to the request for TLS comes by itself; what comes with it is judged below.
  while (!bytes.empty()) {
    std::size_t size = engine.state() == RelayEngine::State::asking ? 1 : piece;
    Orders orders = engine.from_server(bytes.substr(0, size));
    bytes.remove_prefix(std::min(size, bytes.size()));
    PW_CHECK(orders.to_server.empty());
    if (told.relayed) told.to_client += orders.to_client;
    if (!orders.start_tls) continue;
    PW_CHECK(engine.secured().to_server == "secret");
    told.relayed = true;
  }
  told.failure = engine.failure();
  PW_CHECK(told.failure.size() <= 400);
  return told;
}

// Of a request for the login at the beginning of what the client gets.
void check_offer(std::string_view text) {
  constexpr std::string_view kSasl("\0\0\0\x0A", 4);
  if (text.size() < 9 || text[0] != 'R' || text.substr(5, 4) != kSasl) return;
  std::size_t length =
      static_cast<unsigned char>(text[3]) * 256U + static_cast<unsigned char>(text[4]);
  PW_CHECK(text[1] == 0 && text[2] == 0 && length <= kLoginMessageMax);
  std::string_view names = text.substr(9, length - 8);
  PW_CHECK(names.find(std::string_view("-PLUS\0", 6)) == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Told whole = tell(bytes, std::string_view::npos);
  check_offer(whole.to_client);
  for (std::size_t piece : {1, 2, 7}) {
    Told cut = tell(bytes, piece);
    PW_CHECK(cut.failure == whole.failure);
    // Where it fails, what came before the failure may have passed or not.
    if (whole.failure.empty()) PW_CHECK(cut.to_client == whole.to_client);
  }
  // What comes in one piece with the answer was not said within TLS.
  RelayEngine engine(Security::tls, "db");
  (void)engine.connected();
  Orders orders = engine.from_server(bytes);
  PW_CHECK(bytes.size() <= 1 || !orders.start_tls);
  return 0;
}
