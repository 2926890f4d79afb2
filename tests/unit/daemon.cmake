sluice_unit_test(test_expiry daemon)
