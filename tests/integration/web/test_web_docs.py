import re

import httpx2


def test_the_page_and_all_it_loads_come_from_this_host_alone(site):
    page = site.client.get("/api/docs")
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "docs/swagger-ui-bundle.js" in loaded
    for reference in loaded:
        assert "//" not in reference
        url = httpx2.URL(page.request.url).join(reference)
        assert site.client.get(url).status_code == 200, reference
    assert "//" not in site.client.get("/api/docs/docs.js").text


def test_the_document_is_revalidated_by_its_tag(site):
    first = site.client.get("/api/openapi.json")
    assert first.json()["openapi"] == "3.1.0"
    assert {"/api/health", "/api/things"} <= set(first.json()["paths"])
    again = site.client.get("/api/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_no_other_file_is_served(site):
    for name in ("swagger-ui.js", "docs.html", "..%2fdocs.py", "%2e%2e/docs.py"):
        assert site.client.get(f"/api/docs/{name}").status_code == 404
