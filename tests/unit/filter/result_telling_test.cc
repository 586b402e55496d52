// How the findings of mail authentication are told: as macros for filters, as numbers for metrics.
#include "filter/deciding/telling/result_macros.h"
#include "tests/unit/filter/authentication_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::rig;
using authentication::MethodResult;
using ipc::AuthenticationCause;
using ipc::AuthenticationEnd;
using ipc::AuthenticationMethod;

namespace {

std::string macro_words(const std::vector<ipc::FilterMacro>& macros) {
  std::string out;
  for (const ipc::FilterMacro& one : macros)
    out += (out.empty() ? "" : " ") + one.name + "=" + one.value;
  return out;
}

// Of the messages so far.
ipc::AuthenticationCounts reported(Messages& m) {
  ipc::FilterReport report;
  m.judge->report_to(report);
  CHECK(report.filters.size() == 1);
  return report.authentication;
}

std::uint32_t found(const ipc::AuthenticationCounts& counts, AuthenticationMethod method,
                    std::string_view result) {
  for (std::size_t i = 0; i < ipc::kAuthenticationResultCount; ++i)
    if (ipc::kAuthenticationResults[i] == result)
      return counts.results[static_cast<std::size_t>(method)][i];
  FAIL("no such result");
  return 0;
}

std::uint32_t ended(const ipc::AuthenticationCounts& counts, AuthenticationCause cause,
                    AuthenticationEnd end) {
  return counts.ends[static_cast<std::size_t>(cause)][static_cast<std::size_t>(end)];
}

std::uint64_t all_ends(const ipc::AuthenticationCounts& counts) {
  std::uint64_t sum = 0;
  for (const auto& of_cause : counts.ends)
    for (std::uint32_t number : of_cause) sum += number;
  return sum;
}

}  // namespace

TEST_CASE("results as macros") {
  struct Row {
    std::vector<MethodResult> results;
    std::string field;
    std::string macros;
  };
  for (const Row& row : std::vector<Row>{
           {{}, "", ""},
           {{}, "mx.example; none", "auth_authres=mx.example; none"},
           {{{"spf", "fail"}, {"spf", "pass"}, {"dmarc", "none"}},
            "mx;\r\n spf=fail",
            "spf_result=fail dmarc_result=none auth_authres=mx; spf=fail"},
           {{{"dkim", "fail"}, {"dkim", "pass"}}, "x", "dkim_result=pass auth_authres=x"},
           {{{"dkim", "neutral"}, {"dkim", "fail"}}, "x", "dkim_result=neutral auth_authres=x"},
           {{{"arc", "pass"}}, std::string(kResultsMacroMax + 1, 'x'), "arc_result=pass"}}) {
    CHECK(macro_words(result_macros(row.results, row.field)) == row.macros);
  }
}

TEST_CASE("filters behind are told of the results, once, and not where nothing is to be changed") {
  Messages m;
  CHECK(m.message() == "accept");
  std::string told = macro_words(m.member->take_macros());
  CHECK(told.starts_with("spf_result=pass dkim_result=none dmarc_result=pass auth_authres="));
  CHECK(says(told, "smtp.mailfrom=bob@far.example"));
  CHECK(told.find_first_of("\r\n") == std::string::npos);
  CHECK(m.member->take_macros().empty());
  m.facts.session.client_address = "192.0.2.9";
  CHECK(m.message().starts_with("550"));
  CHECK(m.member->take_macros().empty());
  config::Authentication watching =
      settings_of(AuthenticationAction::note, AuthenticationAction::refuse);
  watching.mode = config::FilterMode::watch;
  Messages watched(watching);
  CHECK(watched.message() == "accept");
  CHECK(watched.member->take_macros().empty());
  m.facts.session.client_address = "192.0.2.1";
  CHECK(m.message() == "accept");
  m.member->begin_message();
  CHECK(m.member->take_macros().empty());
}

TEST_CASE("results and what follows are counted, and told once") {
  Messages m;
  (void)reported(m);
  CHECK_FALSE(m.judge->has_news());
  CHECK(m.message() == "accept");
  CHECK(m.judge->has_news());
  m.facts.session.client_address = "192.0.2.9";
  CHECK(m.message().starts_with("550"));
  ipc::AuthenticationCounts counts = reported(m);
  CHECK(found(counts, AuthenticationMethod::spf, "pass") == 1);
  CHECK(found(counts, AuthenticationMethod::spf, "fail") == 1);
  CHECK(found(counts, AuthenticationMethod::spf_helo, "none") == 2);
  CHECK(found(counts, AuthenticationMethod::dkim, "none") == 2);
  CHECK(found(counts, AuthenticationMethod::arc, "none") == 2);
  CHECK(found(counts, AuthenticationMethod::dmarc, "pass") == 1);
  CHECK(found(counts, AuthenticationMethod::dmarc, "fail") == 1);
  CHECK(ended(counts, AuthenticationCause::none, AuthenticationEnd::accept) == 1);
  CHECK(ended(counts, AuthenticationCause::dmarc, AuthenticationEnd::refuse) == 1);
  CHECK(all_ends(counts) == 2);
  CHECK(reported(m) == ipc::AuthenticationCounts{});
}

TEST_CASE("which setting decided is counted") {
  struct Row {
    const char* what;
    AuthenticationCause cause;
    AuthenticationEnd end;
  };
  auto row = GENERATE(values<Row>({
      {"spf", AuthenticationCause::spf, AuthenticationEnd::refuse},
      {"helo", AuthenticationCause::spf_helo, AuthenticationEnd::hold},
      {"own", AuthenticationCause::own_domains, AuthenticationEnd::hold},
      {"forged", AuthenticationCause::forged_results, AuthenticationEnd::refuse},
      {"late", AuthenticationCause::dmarc, AuthenticationEnd::defer},
  }));
  CAPTURE(row.what);
  const std::string what = row.what;
  config::Authentication settings =
      settings_of(AuthenticationAction::refuse, AuthenticationAction::refuse);
  settings.spf_helo = AuthenticationAction::hold;
  settings.own_domains = AuthenticationAction::hold;
  Messages m(settings);
  std::string fields = "From: a@bare.example\r\n";
  if (what == "spf") m.facts.session.client_address = "192.0.2.9";
  if (what == "helo") m.zone.texts["mail.far.example"] = {"v=spf1 -all"};
  if (what == "own") fields = "From: a@ours.example\r\n";
  for (int i = 0; what == "forged" && i < 21; ++i)
    fields += "Authentication-Results: mx.us.example; spf=pass\r\n";
  if (what == "late") {
    fields = "From: bob@far.example\r\n";
    m.zone.held = {"far.example"};
    CHECK(m.message(fields) == "waits");
    m.clock.pass(20s);
  }
  if (what == "late")
    (void)m.poll();
  else
    m.message(fields);
  ipc::AuthenticationCounts counts = reported(m);
  CHECK(ended(counts, row.cause, row.end) == 1);
  CHECK(all_ends(counts) == 1);
  if (what == "own") CHECK(found(counts, AuthenticationMethod::own_domains, "fail") == 1);
}
