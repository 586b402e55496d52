// Whether the DNS has what our keys need (RFC 6376 3.6.1). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/published_key.h"
#include "common/base/time.h"
#include "postwain/dns_check/dns_finding.h"
#include "postwain/dns_check/own_keys.h"

namespace postwain::tool {

constexpr int kGoodRsaBits = 2048;  // RFC 8301 3.2: what signers should have

std::string_view name_of(authentication::dkim::KeyFit fit);  // "fits", "missing" …

// answer: to the question for the key's record_name().
authentication::dkim::KeyFitting fitting_of_key(const OwnKey& key,
                                                const authentication::DnsAnswer& answer);

// queue_lifetime: mail that an old key has signed may be on its way so long.
DnsFinding key_finding(const OwnKey& key, const authentication::dkim::KeyFitting& fitting,
                       Duration queue_lifetime);

// Of a domain without a key of its own: mail is signed with one of a domain above it, where that
// says so, or not at all.
DnsFinding no_key_finding(const std::string& domain, const std::vector<OwnKey>& keys);

// When the record of a key that signs no more may go, as the end of a sentence.
std::string when_old_key_may_go(Duration queue_lifetime);

}  // namespace postwain::tool
