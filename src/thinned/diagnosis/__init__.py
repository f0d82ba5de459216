"""`thinned.audit`: what is wrong with this model's dropout, where, what it costs, and what to do."""

from thinned.diagnosis.audit import audit as audit
from thinned.diagnosis.finding import Finding as Finding
from thinned.diagnosis.finding import Layer as Layer
from thinned.diagnosis.finding import Place as Place
from thinned.diagnosis.finding import Report as Report
from thinned.diagnosis.rule import Rule as Rule
from thinned.diagnosis.rule import all_rules as all_rules

__all__ = ["Finding", "Layer", "Place", "Report", "Rule", "all_rules", "audit"]
