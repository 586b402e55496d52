#include "common/tls/openssl.h"

#include <openssl/err.h>

namespace postwain::tls {

Error openssl_error(const std::string& what) {
  char text[256] = "unknown error";
  unsigned long number = ERR_get_error();
  if (number != 0) ERR_error_string_n(number, text, sizeof text);
  ERR_clear_error();
  return Error{what + ": " + text};
}

BioPtr memory_bio(std::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

}  // namespace postwain::tls
