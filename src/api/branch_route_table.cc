// The routes of branches.
#include <array>

#include "api/routes.h"

namespace tandem::api {
namespace {

constexpr std::string_view kBranch = R"({"$ref":"#/components/schemas/Branch"})";
constexpr std::string_view kBranches =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "branches":{"type":"array","items":{"$ref":"#/components/schemas/Branch"}}}})";
constexpr std::string_view kNewBranch =
    R"({"type":"object","required":["name"],"additionalProperties":false,"properties":{
    "name":{"type":"string","maxLength":64},"parent":{"type":"string","description":"another branch; left out: what is believed"},
    "purpose":{"type":"string","maxLength":2000}}})";
constexpr std::string_view kEdits = R"({"type":"object","additionalProperties":false,"properties":{
    "source":{"type":"string","default":"operator"},
    "items":{"type":"array","maxItems":2000,"items":{"type":"object","required":["kind","id"],"properties":{"kind":{"type":"string"},"id":{"type":"string"},
      "attributes":{"type":"object","description":"attribute to value; null takes one back"},"replace":{"type":"boolean"},"delete":{"type":"boolean"}}}},
    "take_back":{"type":"array","maxItems":2000,"description":"what the branch no longer says","items":{"type":"object","required":["kind","id"],"properties":{
      "kind":{"type":"string"},"id":{"type":"string"},"attributes":{"type":"array","items":{"type":"string"},"description":"left out: all it says"}}}},
    "settle":{"type":"array","maxItems":2000,"description":"which side stands in a conflict","items":{"type":"object","required":["kind","id","take"],"properties":{
      "kind":{"type":"string"},"id":{"type":"string"},"take":{"enum":["ours","theirs"]},"attributes":{"type":"array","items":{"type":"string"}}}}}}})";
constexpr std::string_view kDiff =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"branch":{"type":"string"},
    "base_offset":{"$ref":"#/components/schemas/Offset"},"next":{"type":["string","null"]},
    "differences":{"type":"array","items":{"type":"object","properties":{"what":{"enum":["added","changed","removed"]},"kind":{"type":"string"},
      "id":{"type":"string"},"attributes":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"before":{},"after":{}}}}}}}}})";
constexpr std::string_view kConflicts =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"branch":{"type":"string"},
    "error":{"$ref":"#/components/schemas/ErrorObject"},"clean":{"type":"boolean","description":"a merge would be taken"},"truncated":{"type":"boolean"},
    "conflicts":{"type":"array","items":{"type":"object","properties":{"what":{"type":"string"},"kind":{"type":"string"},"id":{"type":"string"},
      "attribute":{"type":["string","null"]},"base":{},"ours":{},"theirs":{},"ours_offset":{"type":"integer"},"theirs_offset":{"type":"integer"},
      "message":{"type":"string"},"fix":{"type":"string"}}}},
    "violations":{"type":"array","items":{"type":"object","properties":{"kind":{"type":"string"},"id":{"type":"string"},"constraint":{"type":"string"},"attribute":{"type":["string","null"]},
      "message":{"type":"string"},"fix":{"type":"string"},"others":{"type":"array","items":{"$ref":"#/components/schemas/Name"}}}}}}})";
constexpr std::string_view kVerdict =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"branch":{"type":"string"},
    "parent":{"type":["string","null"]},"plan_id":{"type":["string","null"],"description":"the plan in force; null: none is, and nothing is promised"},
    "hours":{"$ref":"#/components/schemas/Hours"},
    "promises_kept":{"type":"integer","description":"with the branch"},"promises_kept_before":{"type":"integer","description":"without it"},
    "broken":{"type":"integer"},"mended":{"type":"integer"},"promises_broken":{"type":"array","maxItems":200,"items":{"$ref":"#/components/schemas/Hurt"}},
    "promises_mended":{"type":"array","maxItems":200,"items":{"$ref":"#/components/schemas/Hurt"}},
    "unplanned":{"type":"integer","description":"demands of the branch that no plan has seen"},"unplanned_demands":{"type":"array","maxItems":200,"items":{"type":"string"}},
    "worst_link":{"$ref":"#/components/schemas/FullLink"},"worst_link_before":{"$ref":"#/components/schemas/FullLink"},"cost_eur_per_hour":{"type":"number","description":"of the plan of these hours"},
    "cost_eur_per_hour_delta":{"type":"number","description":"transport, load-dependent energy and penalties"}}})";
constexpr std::string_view kGone =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"name":{"type":"string"}}})";

constexpr std::array kBranchRoutes{
    Route{Operation::get_branches, "GET", "/api/v1/branches", "All branches, at most 1000.", "", "", kBranches},
    Route{Operation::post_branch, "POST", "/api/v1/branches", "Begins a branch as its parent is now.", "", kNewBranch,
          kBranch, "201"},
    Route{Operation::get_branch, "GET", "/api/v1/branches/{name}", "One branch.", "", "", kBranch},
    Route{Operation::delete_branch, "DELETE", "/api/v1/branches/{name}", "Discards a branch with its edits.", "", "",
          kGone},
    Route{Operation::post_branch_edits, "POST", "/api/v1/branches/{name}/edits",
          "Edits a branch: entities, what is taken back, and which side stands in a conflict; all of it or nothing.",
          "", kEdits, kBranch},
    Route{Operation::get_branch_diff, "GET", "/api/v1/branches/{name}/diff",
          "What a branch changes against its base, ascending by entity; 100, at most 1000.", "limit cursor kind", "",
          kDiff},
    Route{Operation::get_branch_conflicts, "GET", "/api/v1/branches/{name}/conflicts",
          "What stands in the way of merging, with what would mend it: conflicts with the parent, and violated "
          "constraints; 100 of each, at most 1000.",
          "limit", "", kConflicts},
    Route{Operation::get_branch_verdict, "GET", "/api/v1/branches/{name}/verdict",
          "What the twin predicts if the branch were merged now and nothing planned anew: promises broken and mended, "
          "the fullest link, the cost; where the day is planned in periods, at the hours in which it breaks most.",
          "", "", kVerdict},
    Route{Operation::merge_branch, "POST", "/api/v1/branches/{name}/merge",
          "Takes all edits into the parent at once. Refused with 409, naming what stands in the way, and then nothing "
          "is changed.",
          "", "", kGone, "200", kConflicts},
    Route{Operation::rebase_branch, "POST", "/api/v1/branches/{name}/rebase",
          "The branch stands on its parent as it is now.", "", "", kBranch},
};

}  // namespace

std::span<const Route> branch_routes() { return kBranchRoutes; }

}  // namespace tandem::api
