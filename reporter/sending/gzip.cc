#include "reporter/sending/gzip.h"

#include <zlib.h>

#include "common/base/check.h"

namespace postwain::reporter {

std::string gzip(std::string_view text) {
  constexpr int kGzipWindow = 15 + 16;  // the largest one, and gzip's header instead of zlib's
  constexpr int kMemory = 8;
  z_stream stream{};
  PW_CHECK(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemory,
                        Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  // zlib does not write to what it reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  PW_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace postwain::reporter
