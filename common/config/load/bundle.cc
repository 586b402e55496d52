#include "common/config/load/bundle.h"

#include "common/ipc/codec.h"

namespace postwain::config {

namespace {
// Refuses the bundle of another version of the program; raise it when the coding changes.
constexpr std::uint32_t kBundleMagic = 0x50574231;  // "PWB1"
}  // namespace

std::string encode_bundle(const Bundle& bundle) {
  std::string out;
  ipc::Encoder encoder(out);
  encoder.number(kBundleMagic);
  encoder.bytes(bundle.main_file);
  encoder.number(static_cast<std::uint32_t>(bundle.files.size()));
  for (const auto& [path, content] : bundle.files) {
    encoder.bytes(path);
    encoder.bytes(content);
  }
  return out;
}

Result<Bundle> decode_bundle(std::string_view bytes) {
  ipc::Decoder decoder(bytes);
  std::uint32_t magic = 0;
  std::uint32_t count = 0;
  Bundle bundle;
  decoder.number(magic);
  decoder.bytes(bundle.main_file);
  decoder.number(count);
  for (std::uint32_t i = 0; i < count && decoder.ok(); ++i) {
    std::string path;
    decoder.bytes(path);
    decoder.bytes(bundle.files[path]);
  }
  if (magic != kBundleMagic || !decoder.finished() || bundle.files.size() != count)
    return Error{"not a configuration bundle of this version", 0};
  return bundle;
}

std::string Diagnostic::text() const {
  return origin.text() + ": " + message;
}

}  // namespace postwain::config
