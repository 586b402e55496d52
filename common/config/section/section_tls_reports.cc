// [tls_reports]: reports about TLS (RFC 8460).
#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

constexpr Duration kSpreadMax = std::chrono::hours(20);
constexpr std::size_t kNameMax = 200;

void read_address(Section& section, std::string_view key, std::string& out) {
  std::string text;
  if (!section.text(key, text)) return;
  if (is_mailbox(text) && is_ascii(text))
    out = text;
  else
    section.context().error(section.origin_of(key),
                            fmt::format("{}: '{}' is not an address", key, printable(text)));
}

void read_signing(Section& section, TlsReports& reports) {
  section.text("dkim_selector", reports.dkim_selector);
  bool named = section.text("dkim_key", reports.dkim_key);
  if (named != !reports.dkim_selector.empty())
    section.context().error(section.origin(),
                            "dkim_selector and dkim_key belong together in [tls_reports]");
  if (!reports.dkim_selector.empty() &&
      !(is_domain(reports.dkim_selector) && is_ascii(reports.dkim_selector)))
    section.context().error(section.origin_of("dkim_selector"),
                            "dkim_selector is a name as in DNS");
  if (!named) return;
  auto content = section.context().read(NamedFile{reports.dkim_key, FileUse::signing_key},
                                        section.origin_of("dkim_key"));
  if (content) reports.dkim_key_pem = *content;
}

}  // namespace

void read_tls_reports(Context& context, const Node* table, Config& config) {
  TlsReports& reports = config.tls_reports;
  reports.folder = config.spool_dir + "-reports";
  reports.organization = config.hostname;
  reports.contact = config.postmaster;
  if (table == nullptr) return;
  Section section(context, *table, "[tls_reports]");
  reports.wanted = true;
  reports.origin = table->origin;
  if (section.text("organization", reports.organization) && reports.organization.size() > kNameMax)
    context.error(section.origin_of("organization"), "organization is too long");
  read_address(section, "contact", reports.contact);
  if (section.find("from") == nullptr) section.missing("from");
  read_address(section, "from", reports.from);
  if (section.text("folder", reports.folder))
    reports.folder = resolve_path(context.directory, reports.folder);
  section.duration("spread", reports.spread, Duration(0), kSpreadMax);
  read_signing(section, reports);
  if (reports.dkim_key.empty())
    section.warn(
        *table,
        "without dkim_key reports by mail are not signed here; unless another server signs "
        "them on their way, those who get them ignore them (RFC 8460 3)");
  section.finish();
}

}  // namespace postwain::config
