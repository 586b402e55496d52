// What a method of authentication found about a message, as the field Authentication-Results says
// it (RFC 8601 2.2): "dkim=pass (2048-bit key) header.d=x.example header.s=s1".
#pragma once

#include <string>
#include <vector>

namespace postwain::authentication {

struct ResultProperty {
  std::string type;   // "smtp", "header", "body" or "policy"
  std::string name;   // "mailfrom", "d" …
  std::string value;  // a stranger's text, as it is
  bool operator==(const ResultProperty&) const = default;
};

struct MethodResult {
  std::string method;  // "spf"
  std::string result;  // "pass"
  std::string reason{};
  std::vector<ResultProperty> properties{};
  std::string comment{};  // behind the result, for people
  bool operator==(const MethodResult&) const = default;
};

}  // namespace postwain::authentication
