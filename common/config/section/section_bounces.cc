// [bounces]: what delivery reports say, and to whom.

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/text.h"
#include "common/config/section/sections.h"
#include "common/notice/dsn.h"
#include "common/notice/template.h"

namespace postwain::config {

namespace {

// One item: a shipped language, or a file of one's own.
void read_words(Section& section, const Node& item, notice::Words& words) {
  Context& context = section.context();
  if (item.text.compare(0, 5, "file:") != 0) {
    if (const notice::Template* shipped = notice::Template::shipped(item.text))
      words.push_back(*shipped);
    else
      section.error(item, fmt::format("template must be file:/path or one of {}, not '{}'",
                                      fmt::join(notice::Template::shipped_languages(), ", "),
                                      printable(item.text)));
    return;
  }
  std::string path = item.text.substr(5);
  if (path.empty()) return section.error(item, "file: needs a path");
  auto content = context.read(NamedFile{path, FileUse::bounce_text}, item.origin);
  if (!content) return;
  std::vector<notice::Mistake> mistakes;
  notice::Template own = notice::Template::parse(*content, mistakes);
  for (notice::Mistake& one : mistakes)
    context.error(Origin{path, one.line, one.column}, std::move(one.message));
  if (mistakes.empty()) words.push_back(std::move(own));
}

bool same_language(const notice::Template& a, const notice::Template& b) {
  return iequals(a.language(), b.language());
}

}  // namespace

void read_bounces(Context& context, const Node* table, Bounces& bounces) {
  notice::Words words;
  if (table != nullptr) {
    Section section(context, *table, "[bounces]");
    section.size("original_max", bounces.original_max, {0, notice::kDsnQuoteMax});
    section.boolean("double_bounces", bounces.double_bounces);
    std::vector<const Node*> items = section.texts("template", true);
    if (items.size() > notice::kLanguagesMax)
      section.error(*items.back(),
                    fmt::format("a report has at most {} languages", notice::kLanguagesMax));
    for (const Node* item : items) {
      std::size_t before = words.size();
      read_words(section, *item, words);
      if (words.size() == before) continue;
      auto twin = std::find_if(words.begin(), words.end() - 1, [&](const notice::Template& one) {
        return same_language(one, words.back());
      });
      if (twin != words.end() - 1)
        section.error(*item, fmt::format("language {} stands in template twice", twin->language()));
    }
    section.finish();
  }
  // A process that was not given the file writes no reports; the English words are then never used.
  if (words.empty()) words.push_back(*notice::Template::shipped("en"));
  bounces.words = std::make_shared<const notice::Words>(std::move(words));
}

}  // namespace postwain::config
