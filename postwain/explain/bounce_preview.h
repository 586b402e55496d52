// `postwain bounce-preview`: a sample report with the words of the configuration, made by the same
// builder that qmgr uses. It needs no running Postwain and sends nothing.
#pragma once

#include <string>

#include "common/notice/dsn.h"

namespace postwain::tool {

struct PreviewOptions {
  bool failed = false;  // the default
  bool delayed = false;
  bool success = false;
  bool words_only = false;  // the part for people, as UTF-8, instead of the whole message
};

int bounce_preview_command(const std::string& config_file, const PreviewOptions& options);

// A report about an invented message whose recipients met the usual kinds of trouble.
notice::DsnRequest sample_request(notice::DsnAction action, const std::string& hostname,
                                  const std::string& postmaster, WallTime now);
std::string_view sample_original();

}  // namespace postwain::tool
