#include "ingest/country_codes.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/text.h"

namespace tandem::ingest {
namespace {

// Lower-case names, ascending; several names may mean one country.
constexpr std::array<std::pair<std::string_view, std::string_view>, 206> kCountries{{
    {"afghanistan", "AF"}, {"albania", "AL"}, {"algeria", "DZ"}, {"andorra", "AD"}, {"angola", "AO"},
    {"argentina", "AR"}, {"armenia", "AM"}, {"australia", "AU"}, {"austria", "AT"}, {"azerbaijan", "AZ"},
    {"bahamas", "BS"}, {"bahrain", "BH"}, {"bangladesh", "BD"}, {"barbados", "BB"}, {"belarus", "BY"},
    {"belgium", "BE"}, {"belize", "BZ"}, {"benin", "BJ"}, {"bermuda", "BM"}, {"bhutan", "BT"}, {"bolivia", "BO"},
    {"bosnia and herzegovina", "BA"}, {"botswana", "BW"}, {"brazil", "BR"}, {"brunei", "BN"}, {"bulgaria", "BG"},
    {"burkina faso", "BF"}, {"burundi", "BI"}, {"cambodia", "KH"}, {"cameroon", "CM"}, {"canada", "CA"},
    {"cape verde", "CV"}, {"cayman islands", "KY"}, {"central african republic", "CF"}, {"chad", "TD"},
    {"chile", "CL"}, {"china", "CN"}, {"colombia", "CO"}, {"comoros", "KM"}, {"congo", "CG"}, {"costa rica", "CR"},
    {"cote d'ivoire", "CI"}, {"croatia", "HR"}, {"cuba", "CU"}, {"cyprus", "CY"}, {"czech republic", "CZ"},
    {"czechia", "CZ"}, {"denmark", "DK"}, {"djibouti", "DJ"}, {"dominican republic", "DO"}, {"ecuador", "EC"},
    {"egypt", "EG"}, {"el salvador", "SV"}, {"england", "GB"}, {"eritrea", "ER"}, {"estonia", "EE"},
    {"ethiopia", "ET"}, {"faroe islands", "FO"}, {"fiji", "FJ"}, {"finland", "FI"}, {"france", "FR"},
    {"french guiana", "GF"}, {"french polynesia", "PF"}, {"gabon", "GA"}, {"gambia", "GM"}, {"georgia", "GE"},
    {"germany", "DE"}, {"ghana", "GH"}, {"gibraltar", "GI"}, {"great britain", "GB"}, {"greece", "GR"},
    {"greenland", "GL"}, {"guadeloupe", "GP"}, {"guam", "GU"}, {"guatemala", "GT"}, {"guinea", "GN"},
    {"guyana", "GY"}, {"haiti", "HT"}, {"honduras", "HN"}, {"hong kong", "HK"}, {"hungary", "HU"}, {"iceland", "IS"},
    {"india", "IN"}, {"indonesia", "ID"}, {"iran", "IR"}, {"iraq", "IQ"}, {"ireland", "IE"}, {"isle of man", "IM"},
    {"israel", "IL"}, {"italy", "IT"}, {"jamaica", "JM"}, {"japan", "JP"}, {"jersey", "JE"}, {"jordan", "JO"},
    {"kazakhstan", "KZ"}, {"kenya", "KE"}, {"kosovo", "XK"}, {"kuwait", "KW"}, {"kyrgyzstan", "KG"}, {"laos", "LA"},
    {"latvia", "LV"}, {"lebanon", "LB"}, {"lesotho", "LS"}, {"liberia", "LR"}, {"libya", "LY"},
    {"liechtenstein", "LI"}, {"lithuania", "LT"}, {"luxembourg", "LU"}, {"macau", "MO"}, {"macedonia", "MK"},
    {"madagascar", "MG"}, {"malawi", "MW"}, {"malaysia", "MY"}, {"maldives", "MV"}, {"mali", "ML"}, {"malta", "MT"},
    {"martinique", "MQ"}, {"mauritania", "MR"}, {"mauritius", "MU"}, {"mexico", "MX"}, {"moldova", "MD"},
    {"monaco", "MC"}, {"mongolia", "MN"}, {"montenegro", "ME"}, {"morocco", "MA"}, {"mozambique", "MZ"},
    {"myanmar", "MM"}, {"namibia", "NA"}, {"nepal", "NP"}, {"netherlands", "NL"}, {"new caledonia", "NC"},
    {"new zealand", "NZ"}, {"nicaragua", "NI"}, {"niger", "NE"}, {"nigeria", "NG"}, {"north korea", "KP"},
    {"north macedonia", "MK"}, {"northern ireland", "GB"}, {"norway", "NO"}, {"oman", "OM"}, {"pakistan", "PK"},
    {"palestine", "PS"}, {"panama", "PA"}, {"papua new guinea", "PG"}, {"paraguay", "PY"}, {"peru", "PE"},
    {"philippines", "PH"}, {"poland", "PL"}, {"portugal", "PT"}, {"puerto rico", "PR"}, {"qatar", "QA"},
    {"republic of korea", "KR"}, {"romania", "RO"}, {"russia", "RU"}, {"russian federation", "RU"}, {"rwanda", "RW"},
    {"san marino", "SM"}, {"saudi arabia", "SA"}, {"scotland", "GB"}, {"senegal", "SN"}, {"serbia", "RS"},
    {"seychelles", "SC"}, {"sierra leone", "SL"}, {"singapore", "SG"}, {"slovakia", "SK"}, {"slovenia", "SI"},
    {"somalia", "SO"}, {"south africa", "ZA"}, {"south korea", "KR"}, {"south sudan", "SS"}, {"spain", "ES"},
    {"sri lanka", "LK"}, {"sudan", "SD"}, {"suriname", "SR"}, {"swaziland", "SZ"}, {"sweden", "SE"},
    {"switzerland", "CH"}, {"syria", "SY"}, {"taiwan", "TW"}, {"tajikistan", "TJ"}, {"tanzania", "TZ"},
    {"thailand", "TH"}, {"togo", "TG"}, {"trinidad and tobago", "TT"}, {"tunisia", "TN"}, {"turkey", "TR"},
    {"turkmenistan", "TM"}, {"uganda", "UG"}, {"uk", "GB"}, {"ukraine", "UA"}, {"united arab emirates", "AE"},
    {"united kingdom", "GB"}, {"united states", "US"}, {"united states of america", "US"}, {"uruguay", "UY"},
    {"usa", "US"}, {"uzbekistan", "UZ"}, {"vatican city", "VA"}, {"venezuela", "VE"}, {"viet nam", "VN"},
    {"vietnam", "VN"}, {"virgin islands", "VI"}, {"wales", "GB"}, {"yemen", "YE"}, {"zambia", "ZM"},
    {"zimbabwe", "ZW"},
}};

}  // namespace

std::optional<std::string_view> country_code(std::string_view name) {
  const std::string wanted = to_lower(trim(name));
  const auto found = std::lower_bound(kCountries.begin(), kCountries.end(), wanted,
                                      [](const auto& country, const std::string& key) { return country.first < key; });
  if (found != kCountries.end() && found->first == wanted) return found->second;
  const auto by_code = std::find_if(kCountries.begin(), kCountries.end(), [&](const auto& country) { return iequals(country.second, wanted); });
  return by_code == kCountries.end() ? std::nullopt : std::optional(by_code->second);
}

}  // namespace tandem::ingest
