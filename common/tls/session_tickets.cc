#include "common/tls/session_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <cstring>
#include <string>

#include "common/base/check.h"
#include "common/tls/openssl.h"

namespace postwain::tls {

namespace {

constexpr std::size_t kTicketNameSize = 16;

int keys_slot() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool set_up(const TicketKey& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
            bool encrypt) {
  char sha256[] = "SHA256";
  std::string signature = key.signature;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, signature.data(), signature.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
      OSSL_PARAM_construct_end()};
  return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, octets(key.encryption), iv,
                           encrypt ? 1 : 0) == 1 &&
         EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// OpenSSL's contract: below 0 an error, 0 no ticket, 1 good, 2 good and to be made anew.
int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int encrypt) noexcept {
  auto* keys = static_cast<TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keys_slot()));
  if (keys == nullptr) return 0;
  WallTime now = wall_now();
  const TicketKey& current = keys->current(now);
  if (encrypt != 0) {
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    std::memcpy(name, current.name.data(), kTicketNameSize);
    return set_up(current, iv, cipher, mac, true) ? 1 : -1;
  }
  std::string_view wanted(reinterpret_cast<const char*>(name), kTicketNameSize);
  const TicketKey* key = keys->find(wanted, now);
  if (key == nullptr) return 0;
  if (!set_up(*key, iv, cipher, mac, false)) return -1;
  return key == &current ? 1 : 2;
}

// The verdict on a client's certificate would travel in the ticket and outlive what it was made by.
SSL_TICKET_RETURN on_decrypted(SSL*, SSL_SESSION* session, const unsigned char*, size_t,
                               SSL_TICKET_STATUS status, void*) noexcept {
  switch (status) {
    case SSL_TICKET_SUCCESS:
    case SSL_TICKET_SUCCESS_RENEW:
      if (SSL_SESSION_get0_peer(session) != nullptr) return SSL_TICKET_RETURN_IGNORE_RENEW;
      return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
    default:
      return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
}

}  // namespace

void serve_tickets(ssl_ctx_st* ctx, TicketKeys& keys, std::string_view client_ca) {
  PW_CHECK(SSL_CTX_set_ex_data(ctx, keys_slot(), &keys) == 1);
  PW_CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, &on_ticket) == 1);
  PW_CHECK(SSL_CTX_set_session_ticket_cb(ctx, nullptr, &on_decrypted, nullptr) == 1);
  // The same in all our processes, or a ticket of one would be none for another; another one when
  // other authorities count.
  unsigned char context[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  std::string text = "postwain\n" + std::string(client_ca);
  PW_CHECK(EVP_Digest(text.data(), text.size(), context, &size, EVP_sha256(), nullptr) == 1);
  PW_CHECK(SSL_CTX_set_session_id_context(ctx, context, size) == 1);
  // Tickets do all of it; what is not kept cannot be stolen.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(
      ctx,
      static_cast<long>(std::chrono::duration_cast<std::chrono::seconds>(kTicketPeriod).count()));
}

}  // namespace postwain::tls
