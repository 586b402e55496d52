// Parts of qmgr's answers. A qmgr that was taken over may answer anything: a member of another type
// counts as absent, and nothing here throws, so such an answer ends neither a command nor the
// supervisor. Words of strangers that end on a terminal are made printable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace postwain::tool {

constexpr std::size_t kMemberShown = 2048;

// The object that the text is; an empty one when it is no object, or lies deeper than any of ours.
nlohmann::ordered_json parse_answer(const std::string& text);
// Empty where there is no such member, or it is no text.
std::string raw_member(const nlohmann::ordered_json& object, const char* key);
// A number without fraction; 0 where there is none.
std::int64_t number_member(const nlohmann::ordered_json& object, const char* key);
double real_member(const nlohmann::ordered_json& object, const char* key);
// The array of that name, or an empty one.
const nlohmann::ordered_json& list_member(const nlohmann::ordered_json& object, const char* key);
std::vector<std::string> texts_member(const nlohmann::ordered_json& object, const char* key);
// What "error" says, or the other words.
std::string error_member(const nlohmann::ordered_json& object, const char* otherwise);
// JSON for standard output. On a terminal everything beyond ASCII is escaped: control characters
// and marks that turn the direction of writing would act there.
std::string json_line(const std::string& text, bool terminal);
void print_json(const std::string& text);

// raw_member, made printable.
std::string text_member(const nlohmann::ordered_json& object, const char* key);
bool flag_member(const nlohmann::ordered_json& object, const char* key);
// "2026-11-21T09:30:00Z" as "2026-11-21 09:30:00Z".
std::string readable_time(std::string time);

}  // namespace postwain::tool
