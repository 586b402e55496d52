// What speaks for and against a client that nobody here knows, added up, and what follows from the
// sum. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/table/strangers.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"

namespace postwain::filter {

// Mail to the postmaster is not judged: who is refused must be able to ask why (RFC 5321 4.5.1).
// recipient: without brackets.
bool judges_mail_to(std::string_view recipient);

struct StrangerFacts {
  // Of the address: unknown where the DNS has not answered.
  enum class Name : std::uint8_t { unknown, none, forged, confirmed };

  std::string address;
  Name name_state = Name::unknown;
  std::string name{};  // the confirmed one
  std::string helo{};
  bool talked_early = false;          // before the greeting
  std::vector<std::size_t> listed{};  // where he is on a list: their numbers
};

struct StrangerScore {
  struct Point {
    std::string label;  // of a list, or one of: no_name forged_name dynamic_name helo pregreet
    std::int32_t weight = 0;
    bool of_list = false;
  };
  std::int32_t sum = 0;
  std::vector<Point> points;  // the weightiest first
};
StrangerScore score_of(const config::Strangers& strangers, std::string_view our_name,
                       const StrangerFacts& facts);

enum class StrangerVerdict : std::uint8_t { passes, greylist, refuse };
StrangerVerdict verdict_of(const config::Strangers& strangers, std::int32_t sum);

// Under which names the client is remembered: its network, and its owner where the DNS proves one
// and the name is not one of many that are handed out.
std::vector<std::string> names_of(const StrangerFacts& facts);

// 550 5.7.1 with what counted most, and 451 4.7.1. reason: of a list; may be empty.
mail::Reply refusal_of(const StrangerFacts& facts, const StrangerScore& score,
                       const std::string& reason);
mail::Reply greylisted(std::uint32_t seconds);

// "zen 3, helo 1"
std::string points_text(const StrangerScore& score);
// Into the judgement.
void note_score(const config::Strangers& strangers, const StrangerScore& score,
                ipc::FilterJudgement& judgement);

}  // namespace postwain::filter
