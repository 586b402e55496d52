// Bytes of a client into the server engine, whole and in pieces: the replies and the accepted
// messages must be the same however the network cuts them, and no message may hold a lone CR or LF
// but one of BODY=BINARYMIME.
// The first byte chooses dialect and how the pieces are cut.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "tests/unit/smtp/server_host.h"

using namespace postwain;
using namespace postwain::smtp;

namespace {

struct Result {
  std::string output;
  std::string contents;
  bool closed = false;
};

Result run(std::string_view bytes, bool lmtp, bool late, std::size_t piece) {
  ServerOptions options;
  options.hostname = "mx.test";
  options.dialect = lmtp ? kLmtp : kSmtp;
  options.message_size = 500;
  options.recipients = 3;
  options.auth = options.auth_without_tls = true;
  options.xclient = options.xforward = true;
  TestHost host(options);
  host.late = late;
  for (std::size_t at = 0; at < bytes.size() && !host.closed; at += piece)
    host.feed(bytes.substr(at, piece));
  host.settle();
  Result result{host.take_output(), {}, host.closed};
  for (const auto& message : host.accepted) {
    const std::string& content = message.content;
    bool binary = message.envelope.body == mail::BodyType::binary_mime;
    for (std::size_t i = 0; i < content.size() && !binary; ++i) {
      if (content[i] == '\n') PW_CHECK(i > 0 && content[i - 1] == '\r');
      if (content[i] == '\r') PW_CHECK(i + 1 < content.size() && content[i + 1] == '\n');
    }
    PW_CHECK(!message.envelope.recipients.empty());
    result.contents += content + '|';
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool lmtp = (data[0] & 1) != 0;
  Result whole = run(bytes, lmtp, false, bytes.size() + 1);
  for (bool late : {false, true}) {
    Result cut = run(bytes, lmtp, late, 1 + (data[0] >> 1) % 16);
    PW_CHECK(cut.output == whole.output);
    PW_CHECK(cut.contents == whole.contents);
    PW_CHECK(cut.closed == whole.closed);
  }
  return 0;
}
