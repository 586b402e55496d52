// `postwain explain`: an explanation.h for people or as JSON.
#pragma once

#include "postwain/client/client_options.h"
#include "postwain/explain/explanation.h"

namespace postwain::tool {

struct ExplainOptions {
  Question question;
  bool no_dns = false;
};

int explain_command(const ClientOptions& options, const ExplainOptions& explain);

}  // namespace postwain::tool
