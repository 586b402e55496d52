// The answer of an HTTP/1.1 server (RFC 9112) to the one request of a connection, as it comes. It
// reads what Rspamd's workers send: a length, chunks, or everything up to the end. No I/O and no
// clock. Nothing of it is believed: heads and bodies have bounds.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::rspamd {

// Octets of all status lines and fields: of answers that say "continue", of the one that counts,
// and behind its chunks.
constexpr std::size_t kHeadMax = 16U << 10;
constexpr std::size_t kBodyMax = 1U << 20;
constexpr std::size_t kServerMax = 100;

class HttpReader {
 public:
  // Octets of the server. False: they are no answer, or one that is too long; failure() says why.
  bool receive(std::string_view octets);
  // The server has ended the connection; false: in the middle of the answer.
  bool end();

  bool whole() const { return part_ == Part::over && failure_.empty(); }
  int status() const { return status_; }
  // What the server says it is; as it came, empty: nothing.
  const std::string& server() const { return server_; }
  const std::string& body() const { return body_; }
  const std::string& failure() const { return failure_; }

 private:
  enum class Part : unsigned char {
    head,
    length,
    chunk_size,
    chunk,
    chunk_end,
    trailer,
    to_end,
    over
  };

  bool refuse(std::string why);
  bool step(bool& stuck);
  bool take_head();
  bool take_line(std::string_view line);
  bool take_chunk_size();
  bool take_octets();

  Part part_ = Part::head;
  std::string rest_;      // that is not taken yet
  std::size_t head_ = 0;  // octets of lines that were taken
  std::size_t left_ = 0;  // octets of the body, or of the chunk, that are still to come
  std::optional<std::size_t> length_;
  bool chunked_ = false;
  int status_ = 0;
  std::string server_;
  std::string body_;
  std::string failure_;
};

}  // namespace postwain::rspamd
