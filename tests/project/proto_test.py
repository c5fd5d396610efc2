"""A field of a request that is not served says so in the proto, and one that is served does not."""

import re
import unittest

from sources import ROOT

ROOTS = {"SimilarItemsRequest", "BatchRecommendRequest", "ExplainRequest", "SimilarUsersRequest", "UsersForItemRequest",
         "GetPopularRequest", "UpdateItemsRequest", "GetItemRequest", "GetUserSegmentsRequest",
         "BatchGetUserSegmentsRequest", "ListSegmentsRequest", "DescribeSegmentRequest", "ListMembersRequest",
         "AssignFeaturesRequest", "AssignEventsRequest", "ExportSegmentRequest"}
FIELD = re.compile(r"\s*(?:repeated |optional )?(?:map<\w+, *)?([\w.]+)>? (\w+) = \d+;")


def fields():
    """(message, field) -> (type, comment)."""
    found = {}
    for path in sorted((ROOT / "proto/kindred/v1").glob("*.proto")):
        message, comment = None, ""
        for line in path.read_text().splitlines():
            if named := re.match(r"message (\w+) \{", line):
                message = named.group(1)
            elif line == "}":
                message = None
            elif line.strip().startswith("//"):
                comment += line.strip()[2:].strip() + " "
                continue
            elif message and (field := FIELD.match(line)):
                found[message, field.group(2)] = (field.group(1), comment)
            comment = ""
    return found


class Proto(unittest.TestCase):
    def test_comments_say_what_is_not_served(self):
        served = set(re.findall(r'"kindred\.v1\.(\w+)\.(\w+)"', (ROOT / "serving/served_fields.cc").read_text()))
        all_fields = fields()
        of_requests, new = set(), set(ROOTS)
        while new:
            of_requests |= new
            new = {kind for (message, _), (kind, _) in all_fields.items() if message in of_requests} - of_requests
        self.assertTrue({"RecommendRequest", "HistoryItem", "Promotion", "ItemUpdate", "SegmentId", "UserEvent"} <= of_requests)
        self.assertTrue(served <= set(all_fields))
        for (message, field), (_, comment) in all_fields.items():
            if message in of_requests:
                with self.subTest(field=f"{message}.{field}"):
                    self.assertEqual((message, field) not in served, "Not served yet" in comment)


if __name__ == "__main__":
    unittest.main()
