// Counts of DMARC as lines of JSON, and back. What is read is as bounded as what came over IPC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "common/mail/reported/dmarc_result.h"
#include "reporter/sending/day.h"

namespace postwain::reporter {

struct DmarcLine {
  Day day{};
  mail::PublishedDmarc published;     // of a row only the domain
  std::optional<mail::DmarcRow> row;  // nothing: the line tells of the domain
  std::uint64_t count = 0;            // of the row; else of the messages that are in none
};

std::string text_of(const DmarcLine& line);
// Nothing: it is no such line. Throws json::exception where parts of it are missing.
std::optional<DmarcLine> read_dmarc_line(const nlohmann::json& in);

}  // namespace postwain::reporter
