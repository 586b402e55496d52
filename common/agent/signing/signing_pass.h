// One look at all of a message that is to be signed: who its author is, by which keys it is signed,
// in which form it will leave, and the hashes that the keys have to sign. Streaming: memory is
// bounded by the header section, whatever the message's size. Pure, and on no particular thread.
//
// What is signed has to reach its readers octet by octet. So 8-bit and binary content, and a body
// with lines that are too long (RFC 5322 2.1.1), are made 7-bit first (common/content/seven_bit.h):
// no later server needs to do that, or to cut lines. What is sealed only is not ours to change, and
// its author's signature would not survive it. Fields of a message with SMTPUTF8 stay in
// UTF-8, since they would mean something else otherwise. Long lines within a multipart/signed stay,
// because its inner signature counts for more, and so do those of parts that are encoded already,
// and of header fields.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/agent/signing/content_form.h"
#include "common/agent/signing/key_choice.h"
#include "common/agent/signing/line_look.h"
#include "common/authentication/arc/arc_seal.h"
#include "common/authentication/dkim/sign.h"
#include "common/base/time.h"

namespace postwain::agent {

// A larger header section is not signed.
constexpr std::size_t kSignedHeaderMax = 1U << 20;

// Attempts of one message within an hour have the same t=, so its hashes are the same, and the
// signer knows the signatures already: the time it came, and whole hours since then.
WallTime signature_time(WallTime received_at, WallTime now);

// How strangers' mail is sealed (RFC 8617): who we are in Authentication-Results fields, and whose
// key it is.
struct SealRules {
  std::string authserv_id;
  std::string domain;
};

struct SigningFacts {
  const mail::FieldChanges* changes = nullptr;  // still to be made; outlives the pass
  bool eight_bit = false;                       // the content has an octet above 127
  bool binary = false;                          // BODY=BINARYMIME
  bool smtputf8 = false;
  WallTime time{};  // signature_time()
  // It gets an ARC seal over what we found of it, and no signature; outlives the pass. Null: it is
  // signed in the name of its author.
  const SealRules* seal = nullptr;
};

class SigningPass {
 public:
  // keys: not null. keep: output() is wanted.
  SigningPass(const SigningFacts& facts, std::shared_ptr<const KeyChoice> keys, bool keep);

  enum class Next : std::uint8_t {
    more,   // the octets that follow
    again,  // all of them from the beginning: the content has to be made 7-bit first
    done,
  };
  // The content as qmgr has it.
  Next take(std::string_view octets);
  // Nothing follows what was taken. Not after `done`.
  Next finish();

  // When done. Empty: nothing is to be signed.
  const std::vector<authentication::dkim::SignatureDraft>& drafts() const { return drafts_; }
  // The signatures of the drafts, in their order. False: now there are other drafts to be signed,
  // for a seal takes two signatures, one over the other.
  bool take_signatures(const std::vector<std::string>& signatures);
  // What goes in front of the content, when all is signed.
  const std::string& fields() const { return fields_; }
  bool is_seal() const { return facts_.seal != nullptr; }
  // Its number in the chain, i= (RFC 8617 4.2.1); 0: nothing is sealed.
  std::size_t instance() const { return seal_ ? seal_->instance() : 0; }
  const std::vector<KeyChoice::Chosen>& keys() const { return chosen_; }
  std::uint64_t generation() const { return keys_->generation(); }
  // The chain of what was to be sealed fails: it is left as it is.
  bool is_chain_broken() const { return is_chain_broken_; }
  // Why it cannot be signed although it is ours: a sentence. Empty where no key is meant for it.
  const std::string& why_not() const { return why_not_; }
  // How it leaves, what of it is above 127 then, and its octets, without the signatures' fields.
  const FormRules& form() const { return rules_; }
  bool eight_bit() const { return eight_bit_; }
  std::uint64_t size() const { return size_; }
  // All of it in that form, where it differs from what was taken.
  std::string take_output() { return std::exchange(output_, {}); }

 private:
  Next begin_again();
  Next consume(std::string_view octets);
  Next end_header(std::string_view content, std::size_t header, std::size_t body);
  Next take_body(std::string_view octets);
  Next unsigned_because(std::string why);
  Next begin_signature(std::string_view fields);
  Next begin_seal(std::string_view fields);

  SigningFacts facts_;
  std::shared_ptr<const KeyChoice> keys_;
  bool keep_;
  FormRules rules_;
  std::optional<ContentForm> form_;
  std::string made_;  // of what was taken last
  std::string output_;
  std::string header_;        // so far, while its end is not known
  std::size_t searched_ = 0;  // of it
  bool in_body_ = false;
  bool ended_ = false;
  bool inner_signature_ = false;  // multipart/signed
  LineLook look_;
  std::optional<authentication::dkim::DkimSign> sign_;
  std::optional<authentication::arc::ArcSeal> seal_;
  bool is_chain_broken_ = false;
  bool message_sealed_ = false;  // the first of its two signatures is there
  std::string fields_;
  std::vector<KeyChoice::Chosen> chosen_;
  std::vector<authentication::dkim::SignatureDraft> drafts_;
  std::string why_not_;
  bool line_ended_ = true;  // the last one so far
  bool eight_bit_ = false;
  std::uint64_t size_ = 0;
};

}  // namespace postwain::agent
