/** The page /docs: Swagger UI with this gateway's OpenAPI document. */

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#operations",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
