#include "qmgr/history/deflate.h"

#include <array>

#include <zlib.h>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

constexpr int kRawWindow = -15;  // the largest one, and no header
// What is slower than this makes what we store a twentieth smaller.
constexpr int kDeflateLevel = 6;
constexpr std::size_t kInflateStep = 32768;

void set_input(z_stream& stream, std::string_view text) {
  // zlib does not write to what it reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
}

}  // namespace

std::string deflated(std::string_view text) {
  constexpr int kMemory = 8;
  z_stream stream{};
  PW_CHECK(deflateInit2(&stream, kDeflateLevel, Z_DEFLATED, kRawWindow, kMemory,
                        Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out;
  out.resize(deflateBound(&stream, text.size()));
  set_input(stream, text);
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  PW_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::optional<std::string> inflated(std::string_view octets, std::size_t max_octets) {
  z_stream stream{};
  PW_CHECK(inflateInit2(&stream, kRawWindow) == Z_OK);
  set_input(stream, octets);
  std::string out;
  std::array<char, kInflateStep> step{};
  int code = Z_OK;
  while (code == Z_OK && out.size() <= max_octets) {
    stream.next_out = reinterpret_cast<Bytef*>(step.data());
    stream.avail_out = static_cast<uInt>(step.size());
    code = inflate(&stream, Z_NO_FLUSH);
    out.append(step.data(), step.size() - stream.avail_out);
  }
  bool whole = code == Z_STREAM_END && stream.avail_in == 0 && out.size() <= max_octets;
  inflateEnd(&stream);
  if (!whole) return std::nullopt;
  return out;
}

}  // namespace postwain::qmgr
